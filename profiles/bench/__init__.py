"""What finding neurons and learning edits cost, against the plain ways of doing it."""
