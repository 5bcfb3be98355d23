"""What goes on inside a model: tools that measure and change nothing."""
