"""Several servers behind Ray Serve: see docs/ray.md. Ray itself is imported where it is used."""
