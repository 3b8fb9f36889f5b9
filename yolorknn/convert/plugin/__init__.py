"""The board's half of custom ops: what a plug-in in C needs, and one to be filled in."""
