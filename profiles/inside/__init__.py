"""What happens inside a model: measured, tabled and drawn, and nothing edited."""
