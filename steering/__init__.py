"""Inside the inference engine: apply steering profiles to requests, token by token."""
