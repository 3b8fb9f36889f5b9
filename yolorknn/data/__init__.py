"""What is calibrated with and measured on: images, labels, and which to choose."""
