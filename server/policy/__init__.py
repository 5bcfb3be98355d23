"""The operator's policy: a file of rules that says which request is steered, and how. Pure."""
