"""Where frames come from: one kind of source a file, and one door to all of them."""
