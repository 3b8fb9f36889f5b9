"""What keeps yolorknn from working here, and the command that mends it."""
