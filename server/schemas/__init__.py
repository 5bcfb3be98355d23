"""What langsteer's own endpoints take and answer, for the checks and for the reference."""
