"""What a model's layers do inside, read without changing them."""
