"""What finding neurons costs, measured against the plain ways of doing it."""
