"""The networks of the codec `learned` in NumPy: matrices to tokens and back.

The encoder of a UE has 40 thousand parameters and no normalisation: two blocks of
depthwise and pointwise convolutions on 16 x 16 tokens, one on 8 x 8, beside a linear
transform of patches of 4 x 4. The decoder of a base station has attention on 8 x 8
tokens (Vaswani et al., "Attention is all you need", NeurIPS 2017) and residual
convolutions on 16 x 16. Angles are padded in a circle, delays with zeros. Weights have
the names and forms of the PyTorch program that trains them,
`benchmarks/learned_pytorch.py`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

Weights = Mapping[str, np.ndarray]
_HEADS = 8


def encode(w: Weights, x: np.ndarray) -> np.ndarray:
    """Runs the encoder.

    Args:
      w: Weights by name, float32.
      x: float32 [n, num_tx, num_delay, 2], norm 32 a matrix.

    Returns:
      y float32 [n, num_tx / 4, num_delay / 4, channels].
    """
    power = (x * x).sum(axis=-1, keepdims=True)
    u = np.concatenate([0.25 * x, x * (power + 0.1) ** np.float32(-0.25)], axis=-1)
    u = _patches(w, "encoder.patch", u)
    for i in range(_count(w, "encoder.fine")):
        u = _encoder_block(w, f"encoder.fine.{i}", u)
    u = _patches(w, "encoder.merge", u)
    for i in range(_count(w, "encoder.coarse")):
        u = _encoder_block(w, f"encoder.coarse.{i}", u)
    return _patches(w, "encoder.skip", x) + _linear(w, "encoder.out", u)


def decode(
    w: Weights, y: np.ndarray, symbols: np.ndarray, rate: np.ndarray
) -> np.ndarray:
    """Runs the decoder.

    Args:
      w: Weights by name, float32.
      y: float32 [n, angles, delays, channels], symbols divided by their gains.
      symbols: int [n, angles, delays, channels].
      rate: int [n], number of the rate of each matrix.

    Returns:
      x_hat float32 [n, 4 angles, 4 delays, 2], norm about 32 a matrix.
    """
    n, angles, delays, channels = y.shape
    y = y.reshape(n, angles * delays, channels)
    q = symbols.reshape(y.shape).astype(np.float32)
    small = np.sign(q) * np.log2(1 + np.abs(q))
    u = _linear(w, "decoder.embed", np.concatenate([y, small], axis=2))
    u = u + w["decoder.place"] + w["decoder.rate"][rate][:, None]
    for i in range(_count(w, "decoder.coarse")):
        u = _attention(w, f"decoder.coarse.{i}", u)
    u = _spread(_linear(w, "decoder.split", u).reshape(n, angles, delays, 2, 2, -1))
    for i in range(_count(w, "decoder.fine")):
        u = _conv_block(w, f"decoder.fine.{i}", u)
    u = _linear(w, "decoder.head", _normalized(w, "decoder.norm", u))
    linear = _linear(w, "decoder.skip", y).reshape(n, angles, delays, 4, 4, 2)
    return _spread(u.reshape(*u.shape[:3], 2, 2, 2)) + _spread(linear)


def macs(w: Weights) -> dict[str, int]:
    """Multiply-accumulates of `encode` and `decode` for a matrix, by name."""
    coarse, width = w["decoder.place"].shape
    fine = ("patch", "mix", "conv", "head")
    out = {"encoder": 0, "decoder": 0}
    for name, array in w.items():
        part, *parts = name.split(".")
        if part in out and parts[-1] == "weight" and array.ndim > 1:
            finer = parts[0] in ("fine", *fine)
            out[part] += array.size * coarse * (4 if finer else 1)
    out["decoder"] += _count(w, "decoder.coarse") * 2 * coarse * coarse * width
    return out


def _count(w: Weights, name: str) -> int:
    numbers = {key[len(name) + 1 :].split(".")[0] for key in w if key.startswith(name)}
    return len(numbers)


def _linear(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """A dense layer, or a convolution of one point, on the last axis."""
    weight = w[f"{name}.weight"]
    out = x.reshape(-1, x.shape[-1]) @ weight.reshape(len(weight), -1).T
    out = out.reshape(*x.shape[:-1], -1)
    return out + w[f"{name}.bias"] if f"{name}.bias" in w else out


def _patches(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    """A convolution whose stride is its size."""
    weight = w[f"{name}.weight"]
    n, angles, delays, channels = x.shape
    size = weight.shape[2]
    x = x.reshape(n, angles // size, size, delays // size, size, channels)
    x = x.transpose(0, 1, 3, 5, 2, 4)
    return _linear(w, name, x.reshape(*x.shape[:3], -1))


def _around(x: np.ndarray, width: int) -> np.ndarray:
    x = np.concatenate([x[:, -width:], x, x[:, :width]], axis=1)
    return np.pad(x, ((0, 0), (0, 0), (width, width), (0, 0)))


def _encoder_block(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    kernel, padded = w[f"{name}.spread.weight"][:, 0], _around(x, 2)
    u = np.zeros_like(x) + w[f"{name}.spread.bias"]
    for a in range(5):
        for d in range(5):
            shifted = padded[:, a : a + x.shape[1], d : d + x.shape[2]]
            u += shifted * kernel[:, a, d]
    u = np.maximum(_linear(w, f"{name}.up", u), 0)
    return x + _linear(w, f"{name}.down", u)


def _attention(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    n, tokens, width = x.shape
    u = _normalized(w, f"{name}.norm1", x)
    q, k, v = (
        _linear(w, f"{name}.{part}", u)
        .reshape(n, tokens, _HEADS, -1)
        .transpose(0, 2, 1, 3)
        for part in ("query", "key", "value")
    )
    scores = q @ k.swapaxes(2, 3) / np.float32(np.sqrt(width // _HEADS))
    scores = np.exp(scores - scores.max(axis=-1, keepdims=True))
    scores /= scores.sum(axis=-1, keepdims=True)
    u = (scores @ v).transpose(0, 2, 1, 3).reshape(x.shape)
    x = x + _linear(w, f"{name}.project", u)
    u = _linear(w, f"{name}.up", _normalized(w, f"{name}.norm2", x))
    return x + _linear(w, f"{name}.down", _silu(u))


def _conv_block(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    kernel = np.ascontiguousarray(w[f"{name}.conv.weight"].transpose(2, 3, 1, 0))
    padded = _around(_normalized(w, f"{name}.norm", x), 1)
    u = np.zeros((x[..., 0].size, x.shape[3]), np.float32) + w[f"{name}.conv.bias"]
    for a in range(3):
        for d in range(3):
            shifted = padded[:, a : a + x.shape[1], d : d + x.shape[2]]
            u += shifted.reshape(u.shape) @ kernel[a, d]
    u = u.reshape(x.shape)
    return x + _linear(w, f"{name}.mix", _silu(u))


def _normalized(w: Weights, name: str, x: np.ndarray) -> np.ndarray:
    x = x - x.mean(axis=-1, keepdims=True)
    x = x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + np.float32(1e-5))
    return x * w[f"{name}.weight"] + w[f"{name}.bias"]


def _silu(x: np.ndarray) -> np.ndarray:
    return x * (0.5 * np.tanh(0.5 * x) + 0.5)


def _spread(x: np.ndarray) -> np.ndarray:
    """Turns tokens [n, a, d, p, p, c] into points [n, a p, d p, c]."""
    n, a, d, p, _, c = x.shape
    return x.transpose(0, 1, 3, 2, 4, 5).reshape(n, a * p, d * p, c)
