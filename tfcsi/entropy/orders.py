"""The order in which the symbols of a codeword are sent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

ORDERS = ("interleaved", "blocks", "checkerboard")


def after(leading: int, order: np.ndarray) -> np.ndarray:
    """Returns passes with one before them, of symbols that all others read.

    Args:
      leading: Number of symbols before the codeword, such as the number of the rate;
        they are sent first. 0 changes nothing.
      order: int32 [latent], the pass of each symbol of the codeword.
    """
    first = np.zeros(leading, np.int32)
    return np.concatenate([first, order + 1]) if leading else order


def passes_of(
    latent_dim: int, groups: int, order: str, grid: Sequence[int]
) -> np.ndarray:
    """Returns the pass in which each symbol is sent, int32 [latent].

    Args:
      latent_dim: Length of the codeword.
      groups: Number of groups of symbols.
      order: One of `ORDERS`. "interleaved": the symbols in turn, which are the channels
        of a latent whose last axis is that of channels; "blocks": neighbouring symbols;
        "checkerboard": channels in turn, each group in two passes, black places first.
      grid: (rows, columns) of a latent [rows, columns, channels], for "checkerboard".

    Raises:
      ValueError: If the groups or the grid do not fit the codeword.
    """
    if not 1 <= groups <= latent_dim:
        raise ValueError(f"groups is {groups}; it must be 1 to {latent_dim}")
    number = np.arange(latent_dim)
    if order == "blocks":
        return (number * groups // latent_dim).astype(np.int32)
    if order == "interleaved":
        return (number % groups).astype(np.int32)
    if order != "checkerboard":
        raise ValueError(f"order is {order!r}; it must be one of {ORDERS}")
    places = int(np.prod(grid)) if len(grid) == 2 else 0
    if places < 2 or latent_dim % places or groups > latent_dim // places:
        raise ValueError(
            f"order 'checkerboard' needs a grid (rows, columns) of {latent_dim} "
            f"symbols with at least {groups} channels, got {tuple(grid)}"
        )
    place, channel = np.divmod(number, latent_dim // places)
    row, column = np.divmod(place, grid[1])
    return (2 * (channel % groups) + (row + column) % 2).astype(np.int32)
