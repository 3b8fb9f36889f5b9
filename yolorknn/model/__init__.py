"""What a model file says: the contract between the PC and the board."""
