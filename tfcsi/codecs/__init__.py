"""Codecs: `compress(h) -> packets` and `decompress(packets) -> h_hat`, all alike."""
