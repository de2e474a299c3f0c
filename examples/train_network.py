"""Trains a network on simulated channels and compares it with a codec without one.

    python examples/train_network.py WORKDIR

WORKDIR is a new folder. The training takes about a minute on two cores. It is too short
for a good network: `configs/stqenet_indoor.py` trains 16 epochs of 16000 matrices.
"""

import argparse

import tfcsi
from tfcsi.channels import cost2100
from tfcsi.codecs.klt import Klt
from tfcsi.training import config as configs

NUM_TRAIN, NUM_VAL, NUM_TEST = 2000, 300, 300
FEWER_EPOCHS = ("epochs=2", "batch_size=100")


def main(workdir):
    h_train = cost2100.simulate(NUM_TRAIN, 1, "indoor")  # [n, num_tx, num_delay]
    h_val = cost2100.simulate(NUM_VAL, 2, "indoor")
    h_test = cost2100.simulate(NUM_TEST, 3, "indoor")

    config = configs.read("stqenet_indoor", FEWER_EPOCHS)
    tfcsi.train(config, workdir, h_train, h_val)

    network = tfcsi.load(workdir)
    network_point = tfcsi.evaluate(network, h_test)
    linear = Klt.at_bits(h_train, network_point["bits"])
    linear_point = tfcsi.evaluate(linear, h_test)
    for name, point in (("network", network_point), ("KLT", linear_point)):
        print(f"{name}: {point['nmse_db']:.2f} dB in {point['bits']:.1f} bits")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("workdir", help="New folder of the run.")
    main(parser.parse_args().workdir)
