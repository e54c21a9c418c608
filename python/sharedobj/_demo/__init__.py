"""The parts of ``python -m sharedobj demo``; ../demo.py puts them together."""
