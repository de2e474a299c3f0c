"""`tfcsi compress`, `tfcsi decompress`: CSI to a file of packets and back."""

from __future__ import annotations

import numpy as np

from tfcsi import files
from tfcsi.coding.packets import (
    check_session,
    read_file,
    write_file,
)
from tfcsi.commands.flags import parse


def compress(argv: list[str]) -> None:
    """Turns a file of CSI (.npy, .mat, .h5) into one file of packets."""
    given = parse(argv, "workdir input output", "key")
    from tfcsi.codecs.workdir import load
    from tfcsi.datasets import any_file

    h = any_file.read_csi(given["input"], given["key"])
    codec = load(given["workdir"])
    packets = codec.compress(h)
    write_file(given["output"], codec.session, packets)
    mean = 8 * np.mean([len(packet) for packet in packets]) if packets else 0
    print(f"{len(packets)} CSI matrices, {mean:.1f} bits each, to {given['output']}")


def decompress(argv: list[str]) -> None:
    """Turns a file of packets back into CSI, a complex64 .npy file."""
    given = parse(argv, "workdir input output")
    from tfcsi.codecs.workdir import load

    session, packets = read_file(given["input"])
    codec = load(given["workdir"])
    check_session(session, codec.session, given["input"])
    h_hat = codec.decompress(packets)
    with files.replacing(given["output"]) as temporary:
        with open(temporary, "wb") as file:
            np.save(file, h_hat)
    print(f"{len(h_hat)} CSI matrices to {given['output']}")
