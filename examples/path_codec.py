"""Compresses simulated channels with the codec that comes with tfcsi.

    python examples/path_codec.py

No training, and no TensorFlow: the codec `paths` finds the few paths of a channel and
sends them. The program asks for three values of the NMSE and prints the bits of the
packets.
"""

import argparse

import numpy as np

import tfcsi
from tfcsi import metrics
from tfcsi.channels import cost2100

NUM_MATRICES, SEED = 30, 1


def main():
    h = cost2100.simulate(NUM_MATRICES, SEED, "indoor")  # [n, num_tx, num_delay]
    codec = tfcsi.load("paths_cost2100_indoor")
    print("asked [dB]  measured [dB]  mean bits  largest packet [bits]")
    for nmse_db in (-10, -15, -20):
        packets = codec.compress(h, nmse_db=nmse_db)
        h_hat = codec.decompress(packets)
        measured = metrics.to_db(metrics.nmse(h, h_hat).mean())
        bits = 8 * np.array([len(packet) for packet in packets])
        print(f"{nmse_db:10} {measured:14.1f} {bits.mean():10.1f} {bits.max():22}")


if __name__ == "__main__":
    argparse.ArgumentParser(description=__doc__.partition("\n")[0]).parse_args()
    main()
