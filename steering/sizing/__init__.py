"""What steering needs on paper: bytes, operations and time, before there is an engine."""
