"""This project beside the programs a user would pick instead: the same work, in one run. See `__main__`."""
