"""One self-contained HTML page on a model's profiles: `langsteer report`."""
