"""A stand-in for rknn-toolkit 1.7."""
