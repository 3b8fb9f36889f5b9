"""What is served: the page, its API, and who may ask."""
