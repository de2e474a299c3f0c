"""Small weights of the codec `learned`: the transform of patches is the identity."""

import numpy as np


def arrays(grid=(2, 2), rates=3, channels=32, hidden=4, width=16, fine=8, seed=0):
    """Arrays of the file that a training writes, for matrices of 4 x `grid`."""
    rng = np.random.default_rng(seed)

    def some(*form):
        return (0.05 * rng.standard_normal(form)).astype(np.float16)

    out = {}

    def layer(name, *form, bias=True):
        out[f"{name}.weight"] = some(*form)
        if bias:
            out[f"{name}.bias"] = some(form[0])

    layer("encoder.patch", 8, 4, 2, 2)
    layer("encoder.merge", 8, 8, 2, 2)
    for part in ("fine.0", "coarse.0"):
        layer(f"encoder.{part}.spread", 8, 1, 5, 5)
        layer(f"encoder.{part}.up", 16, 8, 1, 1)
        layer(f"encoder.{part}.down", 8, 16, 1, 1)
    layer("encoder.out", channels, 8, 1, 1)
    out["encoder.skip.weight"] = (
        np.eye(32).reshape(32, 4, 4, 2).transpose(0, 3, 1, 2).astype(np.float16)
    )
    layer("decoder.embed", width, 2 * channels)
    out["decoder.place"] = some(grid[0] * grid[1], width)
    out["decoder.rate"] = some(rates, width)
    for part in ("query", "key", "value", "project"):
        layer(f"decoder.coarse.0.{part}", width, width)
    layer("decoder.coarse.0.up", 3 * width, width)
    layer("decoder.coarse.0.down", width, 3 * width)
    layer("decoder.split", 4 * fine, width)
    layer("decoder.fine.0.conv", fine, fine, 3, 3)
    layer("decoder.fine.0.mix", fine, fine, 1, 1)
    norms = ("coarse.0.norm1", "coarse.0.norm2", "fine.0.norm", "norm")
    for name, size in zip(norms, (width, width, fine, fine)):
        out[f"decoder.{name}.weight"] = np.ones(size, np.float16)
        out[f"decoder.{name}.bias"] = np.zeros(size, np.float16)
    out["decoder.head.weight"] = np.zeros((8, fine), np.float16)
    out["decoder.head.bias"] = np.zeros(8, np.float16)
    out["decoder.skip.weight"] = np.eye(32, dtype=np.float16)
    steps = np.linspace(-4, 1.5, rates)[:, None]
    out["gain"] = np.repeat(steps, channels, axis=1).astype(np.float32)

    def integers(low, high, *form, kind=np.int32):
        return rng.integers(low, high + 1, form).astype(kind)

    w1 = integers(-9, 9, 8, hidden, 2 * channels, 5, 5, kind=np.int8)
    size = channels // 4
    a, d = np.meshgrid(np.arange(5), np.arange(5), indexing="ij")
    for p in range(8):
        w = w1[p].reshape(hidden, 2, channels, 5, 5)
        known = (p // 2) * size
        w[:, :, known + size :] = 0
        w[:, :, known : known + size] *= ((a + d) % 2 * (p % 2)).astype(np.int8)
    out["contexts.w1"] = w1
    out["contexts.b1"] = integers(0, 900, 8, hidden, *grid)
    out["contexts.r1"] = integers(-99, 99, rates, 8, hidden)
    out["contexts.w2"] = integers(-30, 30, 8, hidden, hidden, kind=np.int8)
    out["contexts.b2"] = integers(0, 900, 8, hidden)
    out["contexts.w3"] = integers(-30, 30, 8, 2 * size, hidden, kind=np.int8)
    means, scales = integers(-99, 99, 8, size), integers(-4000, -1000, 8, size)
    out["contexts.b3"] = np.concatenate([means, scales], axis=1)
    out["contexts.mix"] = np.array([0.25, 0.6, 0.15])
    return out
