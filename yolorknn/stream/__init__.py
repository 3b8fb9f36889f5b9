"""Frames in, results out, in order."""
