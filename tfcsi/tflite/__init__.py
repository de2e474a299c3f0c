"""TFLite encoders: convert, run, compare, and what they cost."""
