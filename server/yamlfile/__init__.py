"""The YAML files that operators write: how they are read, and how what is wrong is said. Pure."""
