"""The model at hand: loading, its FFNs, edits by hooks, generation; the embedded demo model."""
