"""Other frameworks' models and engines, one framework a room."""
