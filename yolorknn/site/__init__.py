"""What one file says is to be watched, and keeping it so."""
