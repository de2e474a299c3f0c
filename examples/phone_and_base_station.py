"""Sends a channel from a phone to a base station, with the phone's own runtime.

    python examples/phone_and_base_station.py FOLDER

FOLDER is a new folder for the only file that the phone needs, `tables.npz`. The phone
has only NumPy and measures its channel with noise. The base station has tfcsi.
"""

import argparse
import pathlib

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
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", help="New folder for the file that the phone needs.")
    main(parser.parse_args().folder)
