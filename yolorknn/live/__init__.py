"""Unattended: cameras, a model and sinks, wired together, and how they are."""
