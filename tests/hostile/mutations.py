"""Changes of bytes that a stranger, a bad disk or an attacker would make.

`mutated` changes bytes at random, and knows the inside of some formats: it repairs what
hides behind a check, so that a reader sees the damage behind it. The same seed makes
the same change.
"""

from __future__ import annotations

import io
import json
import pathlib
import re
import struct
import tempfile
import zipfile
from collections.abc import Sequence
from typing import TypeVar

import numpy as np

T = TypeVar("T")

HUGE = (0, 1, 2**15, 2**16 - 1, 2**31 - 1, 2**32 - 1)
SIZES = (0, 1, 2**20, 2**31, 2**33, 2**36, 2**40, 2**62, 2**63, 2**64 - 1)
DTYPES = (
    *("'<f4'", "'>f4'", "'<c8'", "'>c16'", "'|O'", "'<U9'", "'|S3'", "'<i8'", "'|b1'"),
    *("'<M8[s]'", "'|V8'", "'<f2'", "[('re', '<f4'), ('im', '<f4')]", "'|u1'"),
)
SHAPES = ("()", "(0,)", "(-1, 3)", "(1099511627776,)", "(4294967296, 4294967296)")
NUMBERS = (float("nan"), float("inf"), -1.0, 0.0, 3.4e38, 1e-45, 1e300)
VALUES = (None, True, -1, 0, 1e400, 10**30, "", "../..", "x" * 999, [], {}, [[[]]])


def mutated(content: bytes, rng: np.random.Generator, kind: str = "") -> bytes:
    """Returns other bytes.

    Args:
      content: Bytes of a file or a packet.
      rng: Source of the changes.
      kind: "zip", "npy", "json", "tfrecord" or "hdf5" if the content has this form;
        else any.
    """
    for _ in range(_one_of((1, 1, 1, 2, 4), rng)):
        change = _raw
        if rng.random() < 0.75:
            change = {
                "zip": _zip,
                "npy": _npy,
                "json": _json,
                "tfrecord": _records,
                "hdf5": _hdf5,
            }.get(kind, _raw)
        content = change(content, rng)
    return content


def _one_of(values: Sequence[T], rng: np.random.Generator) -> T:
    """One of some values; `rng.choice` takes longer and changes their types."""
    return values[int(rng.integers(len(values)))]


def _raw(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes bytes whatever they mean."""
    size = len(content)
    at = int(rng.integers(size + 1))
    end = min(size, at + int(2 ** rng.uniform(0, 12)))
    inside = content[at:end]
    head, tail = content[:at], content[end:]
    words = struct.pack(
        _one_of(("<I", ">I", "<Q", ">Q"), rng),
        _one_of(HUGE, rng),
    )
    others = (
        head,
        content + rng.bytes(int(rng.integers(1, 40))),
        head + rng.bytes(len(inside)) + tail,
        head + tail,
        head + inside + content[at:],
        head + bytes(len(inside)) + tail,
        head + words + content[at + len(words) :],
        head + inside[::-1] + tail,
    )
    if (choice := int(rng.integers(len(others) + 1))) < len(others):
        return others[choice]
    if not size:
        return b"\x00"
    bits = bytearray(content)
    for bit in rng.integers(0, 8 * size, int(rng.integers(1, 4))):
        bits[bit // 8] ^= 1 << bit % 8
    return bytes(bits)


def _npy(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes the header of a `.npy` file, or its numbers."""
    start = content.find(b"{")
    end = content.find(b"\n", start)
    if content[:6] != b"\x93NUMPY" or start < 0 or end < 0:
        return _raw(content, rng)
    text, data = content[start:end].decode("latin1"), content[end + 1 :]
    change = int(rng.integers(5))
    if change == 0:
        first, last = text.find("'descr'") + 9, text.find(", 'fortran")
        text = text[:first] + _one_of(DTYPES, rng) + text[last:]
    elif change == 1:
        shape = _one_of(SHAPES, rng)
        text = text[: text.find("(")] + shape + text[text.rfind(")") + 1 :]
    elif change == 2:
        text = text.replace("False", "True")
    elif change == 3:
        code = _one_of(("<f4", "<f8", ">f4", "<c8", "<i4"), rng)
        with np.errstate(all="ignore"):
            word = np.array([_one_of(NUMBERS, rng)]).astype(code).tobytes()
        at = int(rng.integers(max(1, len(data) // 8))) * 8
        data = data[:at] + word + data[at + len(word) :]
    else:
        data = _raw(data, rng)
    header = text.encode("latin1") + b"\n"
    head = content[:8] + struct.pack("<H", len(header) & 0xFFFF)
    return head + header + data


def members(content: bytes) -> dict[str, bytes]:
    """Returns name and content of the members of an archive, or nothing."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            held = [i for i in archive.infolist() if i.file_size < 1 << 24]
            return {item.filename: archive.read(item) for item in held}
    except Exception:
        return {}


def archived(held: dict[str, bytes]) -> bytes:
    """Returns an archive of members, with checks that are right."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in held.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return out.getvalue()


def _zip(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes a member of an archive and repairs the check of the archive."""
    held = members(content)
    if not held:
        return _raw(content, rng)
    name = _one_of(sorted(held), rng)
    change = int(rng.integers(8))
    if change == 0:
        held.pop(name)
    elif change == 1:
        held[name] = held[_one_of(sorted(held), rng)]
    elif change == 2:
        held[_one_of(("", "../x.npy", "/x.npy", "x"), rng)] = held[name]
    else:
        held[name] = (_raw if change == 3 else _npy)(held[name], rng)
    return archived(held)


def _json(content: bytes, rng: np.random.Generator) -> bytes:
    """Puts a strange value somewhere into a JSON text."""
    try:
        fields = json.loads(content)
    except (ValueError, RecursionError):
        return _raw(content, rng)
    whole = {"": fields}
    at, key = whole, ""
    while isinstance(at[key], (dict, list)) and at[key] and rng.random() < 0.8:
        at = at[key]
        keys = list(at) if isinstance(at, dict) else range(len(at))
        key = _one_of(keys, rng)
    if rng.random() < 0.1 and isinstance(at, dict):
        at[f"{key}s"] = at[key]
    else:
        at[key] = _one_of(VALUES, rng)
    return json.dumps(whole[""]).encode()


def _hdf5(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes the size of a global heap, of an object in it, or of a text."""
    heaps = [found.start() for found in re.finditer(b"GCOL", content)]
    if not heaps or rng.random() < 0.5:
        return _raw(content, rng)
    if rng.random() < 0.3:
        # The length of a text is ahead of the place of its heap.
        place = _one_of(heaps, rng).to_bytes(8, "little")
        texts = [found.start() for found in re.finditer(re.escape(place), content)]
        if texts and texts[0] >= 4:
            at, word = _one_of(texts, rng), struct.pack("<I", _one_of(HUGE, rng))
            return content[: at - len(word)] + word + content[at:]
    at = _one_of(heaps, rng) + 8 * int(_one_of((1, 1, 2, 3, 3, 3, 5, 7), rng))
    word = struct.pack("<Q", _one_of((*SIZES, 8, 16, 4096, len(content)), rng))
    return content[:at] + word + content[at + len(word) :]


def record_size(size: int) -> bytes:
    """Returns the size of a record of a TFRecord file, and its check."""
    size_of = struct.pack("<Q", size)
    crc = 0xFFFFFFFF
    for byte in size_of:  # CRC-32C, which TFRecord turns and adds to.
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    crc ^= 0xFFFFFFFF
    return size_of + struct.pack(
        "<I", ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF
    )


def _records(content: bytes, rng: np.random.Generator) -> bytes:
    """Changes the first record of a TFRecord file, or its size, and repairs checks."""
    import tensorflow as tf

    if len(content) < 16:
        return _raw(content, rng)
    if rng.random() < 0.2:
        return record_size(_one_of(SIZES, rng)) + content[12:]
    (size,) = struct.unpack("<Q", content[:8])
    record = _raw(content[12 : 12 + min(size, len(content))], rng)
    out = io.BytesIO()
    with tempfile.NamedTemporaryFile(suffix=".tfrecord") as place:
        with tf.io.TFRecordWriter(place.name) as writer:
            writer.write(record)
        out.write(pathlib.Path(place.name).read_bytes())
    return out.getvalue() + content[16 + size :]
