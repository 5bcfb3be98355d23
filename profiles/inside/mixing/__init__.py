"""Context mixing: norm-based maps of layers, feed-forward included (arXiv 2302.00456)."""
