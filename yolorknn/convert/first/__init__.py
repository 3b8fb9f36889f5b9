"""Models for the first generation of NPUs: rknn-toolkit 1.7 in a Python of the user's, as a child process.

No real one could be had: what is here holds to the vendor's guides, and was run against a stand-in that does.
"""
