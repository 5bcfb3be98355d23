"""A page to try steering on: one prompt, answered unsteered and steered, side by side."""
