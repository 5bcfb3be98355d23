"""The language that answers were really in: told from finished answers, off the hot path."""
