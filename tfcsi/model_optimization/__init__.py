"""Keras networks in, Keras networks out, made ready for integers."""
