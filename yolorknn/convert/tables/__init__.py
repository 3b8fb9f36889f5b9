"""What rknn-toolkit2 prints about a model, read."""
