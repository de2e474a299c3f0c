"""Files of weights that other programs wrote: PyTorch, Keras and NumPy."""
