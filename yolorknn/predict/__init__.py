"""A model at work in a program: opened where it is to run, images in, what it finds out."""
