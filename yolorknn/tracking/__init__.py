"""Which object is which, and where it is among zones and lines."""
