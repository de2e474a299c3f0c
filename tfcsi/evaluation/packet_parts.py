"""What the bits of a packet carry: check, side information, symbols, padding.

An entropy coder gives a symbol a fraction of bits, its code length. The sizes of parts
are sums of code lengths, in the order of sending. So the border between two parts may
lie inside a bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from tfcsi.codecs.contract import Codec, SymbolCodec
from tfcsi.codecs.paths import Paths
from tfcsi.codecs.topk import TopK
from tfcsi.coding.any_tables import symbol_bits
from tfcsi.coding.packets import CRC_BITS, HEADER_BYTES
from tfcsi.coding.path_sets import PathTableSets

CHECK, SIDE, REST = "check", "side information", "end of the code, padding"
STEP, SET, END = "step and norm", "set of tables", "end of the list"
GAIN, DELAY, ANGLE = "gains", "delays", "angles"
ZERO, OTHER = "symbols that are zero", "symbols that are not zero"
PLACES, VALUES, CODED = "places of the entries", "values of the entries", "coded CSI"
KINDS = (
    *(CHECK, SIDE, SET, STEP, GAIN, DELAY, ANGLE, END, ZERO, OTHER, PLACES, VALUES),
    *(CODED, REST),
)


class Part(NamedTuple):
    """A part of a packet.

    Attributes:
      kind: One of `KINDS`.
      bits: Its size, a fraction where an entropy coder wrote it.
    """

    kind: str
    bits: float


def parts(codec: Codec, packets: Sequence[bytes]) -> list[list[Part]]:
    """Tells what the bits of packets carry.

    Args:
      codec: The codec that wrote them.
      packets: n packets.

    Returns:
      The parts of each packet, in the order of sending. Neighbours are of different
      kinds, and the sizes add up to 8 len(packet).

    Raises:
      packets.PacketError: If a packet is damaged or foreign.
    """
    if not packets:
        return []
    if isinstance(codec, Paths):
        inner = _of_paths(codec, packets)
    elif isinstance(codec, TopK):
        values = 2 * codec.k * codec.value_bits
        own = [Part(PLACES, codec.num_bits - values), Part(VALUES, values)]
        inner = [own] * len(packets)
    elif isinstance(codec, SymbolCodec):
        inner = _of_symbols(codec, packets)
    else:
        inner = [[Part(CODED, np.inf)]] * len(packets)
    check = CRC_BITS if codec.session.version > 1 else 8 * HEADER_BYTES
    return [
        _whole([Part(CHECK, check), *own], 8 * len(packet))
        for own, packet in zip(inner, packets)
    ]


def mean_bits(many: Sequence[Sequence[Part]]) -> dict[str, float]:
    """Returns the mean bits of each kind over packets, in the order of `KINDS`."""
    sums = dict.fromkeys(KINDS, 0.0)
    for one in many:
        for part in one:
            sums[part.kind] += part.bits / len(many)
    return {kind: bits for kind, bits in sums.items() if bits > 0}


def _of_paths(codec: Paths, packets: Sequence[bytes]) -> list[list[Part]]:
    """The parts of path coding without check and end, see `path_coder`."""
    steps, norm, lists = codec.receive_lists(packets)
    bits = codec.coder.parts(steps, norm, lists.sorted()).bits()
    first = [STEP, STEP]
    if isinstance(codec.tables, PathTableSets):
        first.insert(0, SET)
    of_path = [GAIN, GAIN, DELAY, ANGLE]
    return [
        [*map(Part, [*first, *(count * of_path), END], row)]
        for row, count in zip(bits.tolist(), lists.count.tolist())
    ]


def _of_symbols(codec: SymbolCodec, packets: Sequence[bytes]) -> list[list[Part]]:
    """The parts of coded symbols without check and end."""
    symbols, side = codec.receive(packets)
    before, bits = symbol_bits(symbols, codec.tables)
    kinds = np.where(symbols == 0, ZERO, OTHER)
    words = 16.0 * side.shape[1] + before.sum(axis=1)
    return [
        [Part(SIDE, size), *map(Part, row.tolist(), sizes.tolist())]
        for size, row, sizes in zip(words.tolist(), kinds, bits)
    ]


def _whole(parts: Sequence[Part], num_bits: int) -> list[Part]:
    """Joins neighbours of one kind, and adds what is left of a packet."""
    joined: list[Part] = []
    left = float(num_bits)
    for kind, size in parts:
        size = min(size, left)
        left -= size
        if joined and joined[-1].kind == kind:
            joined[-1] = Part(kind, joined[-1].bits + size)
        elif size:
            joined.append(Part(kind, size))
    return [*joined, Part(REST, left)] if left else joined
