"""The only code that touches vLLM's internals; every patch is listed in PATCHES.md."""
