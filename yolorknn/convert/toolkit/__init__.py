"""The vendor's toolkit, in a process of its own."""
