"""Sends a channel from a phone to a base station, with the phone's own runtime.

    python examples/phone_and_base_station.py FOLDER

FOLDER is a new folder for what the phone needs: `tables.npz`, and nothing else. The
phone has NumPy alone and measures its channel with noise. The base station has tfcsi.
"""

import pathlib
import sys

import numpy as np

import tfcsi
from tfcsi import metrics, noise, transforms
from tfcsi.channels import cost2100
from tfcsi.ue import PathUe

SEED, SNR_DB, MAX_BITS = 4, 20, 120


def main(folder):
    codec = tfcsi.load("paths_cost2100_indoor")
    folder = pathlib.Path(folder)
    folder.mkdir()
    codec.save_ue(folder / "tables.npz")

    h = cost2100.simulate(8, SEED, "indoor")
    x = noise.awgn(transforms.to_real(h), SNR_DB, SEED)
    noisy = transforms.to_complex(x)
    ue = PathUe(folder / "tables.npz", max_bits=MAX_BITS)
    packets = [ue.encode(matrix) for matrix in noisy]

    h_hat = codec.decompress(packets)
    bits = 8 * np.array([len(packet) for packet in packets])
    nmse_db = metrics.to_db(metrics.nmse(h, h_hat).mean())
    print(f"{len(h)} packets, none above {bits.max()} bits: {nmse_db:.1f} dB")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("give one argument, the new folder of the phone")
    main(sys.argv[1])
