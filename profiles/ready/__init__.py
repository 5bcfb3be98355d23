"""Ready-made profiles of the demo model, and what they were measured to do."""
