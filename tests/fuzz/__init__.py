"""Mutated configuration files against the editor of documents and against the commands; `run.py` is the program."""
