"""Symbols to bytes and back: what phone and base station share, in NumPy."""
