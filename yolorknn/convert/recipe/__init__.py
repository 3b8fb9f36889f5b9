"""How a .rknn is built: the options, what a build needs prepared, and what is changed on the way."""
