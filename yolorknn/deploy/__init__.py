"""From the PC to a board over ssh: copy, install, check, compare, serve. Nothing here runs on the board."""
