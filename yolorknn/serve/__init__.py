"""What a browser and other programs ask of what is running: the page, /api/v1, /metrics."""
