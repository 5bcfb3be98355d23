"""What clients and operators meet: the OpenAI server with language control."""
