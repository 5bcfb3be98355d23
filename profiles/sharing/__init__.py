"""Profiles as artefacts: fetched, published, signed, compared."""
