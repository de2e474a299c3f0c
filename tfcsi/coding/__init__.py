"""Symbols to bytes and back, in NumPy: the code that phone and base station share."""
