"""The offline verbs of the `langsteer` command, one a module; thin."""
