"""Edits learned by gradient descent on text."""
