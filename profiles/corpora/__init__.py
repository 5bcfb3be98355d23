"""Text per language to profile with."""
