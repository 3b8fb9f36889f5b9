"""One command a file: its options, and how its result is printed. What a command does is in the module it calls."""
