"""What a model's outputs mean, in numpy: one task a file."""
