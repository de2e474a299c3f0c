"""Training steps in tfcsi and in PyTorch, the same networks side by side.

    python benchmarks/pytorch_speed.py --output=results/pytorch_speed.json

A step is a forward pass, the mean squared error, a backward pass and Adam, for CsiNet,
CRNet and STNet at CR 4 on 32 x 32 matrices in batches of 200. The PyTorch networks are
written as in the code of such papers: plain modules, eager, channels first. Both sides
take turns in one process. Run this on a machine that does nothing else, because other
programs slow PyTorch (OpenMP) down more than TensorFlow. The program writes the median
speeds and their ratio, which is above 1 if tfcsi is faster. PyTorch comes with
`pip install -e '.[benchmark]'`, which on Linux downloads gigabytes of CUDA libraries.
The version without them is enough:

    pip install torch==2.13.0 --index-url https://download.pytorch.org/whl/cpu
"""

import json
import os
import pathlib
import sys
import time

import tfcsi

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
tfcsi.need_full()

import numpy as np
import tensorflow as tf

from tfcsi import files, models, results, transforms
from tfcsi.channels import cost2100
from tfcsi.commands import flags, program
from tfcsi.training import optimizer

_BATCH, _LATENT, _SEED, _RATE = 200, 512, 1, 1e-3
_NETWORK = {"stnet": {"attention": "released"}}  # Arguments in tfcsi.


def _tfcsi_step(name, x):
    """Returns the number of parameters and a function that takes one training step."""
    model, network = models.get(name), _NETWORK.get(name, {})
    encoder = model.encoder((32, 32), _LATENT, **network)
    decoder = model.decoder((32, 32), _LATENT, **network)
    variables = encoder.trainable_variables + decoder.trainable_variables
    adam = optimizer.Adam(_RATE)
    adam.build(variables)

    @tf.function
    def step(x):
        with tf.GradientTape() as tape:
            x_hat = decoder(encoder(x, training=True), training=True)
            loss = tf.reduce_mean(tf.square(x - x_hat))
        adam.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return loss

    x = tf.constant(x)
    return sum(int(tf.size(v)) for v in variables), lambda: step(x).numpy()


def _torch_step(name, x):
    """Returns the same as `_tfcsi_step`, for the network in PyTorch."""
    import pytorch_networks
    import torch

    model = pytorch_networks.NETWORKS[name]()
    adam = torch.optim.Adam(model.parameters(), _RATE)
    x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) + 0.5))

    def step():
        adam.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), x)
        loss.backward()
        adam.step()
        return loss.item()

    return sum(p.numel() for p in model.parameters()), step


def _speeds(steps, batch, args):
    """Matrices a second of each step, taken in turn."""
    seconds = {side: [] for side in steps}
    for _ in range(args.rounds):
        for side, step in steps.items():
            step()
            for _ in range(args.steps):
                began = time.perf_counter()
                step()
                seconds[side].append(time.perf_counter() - began)
    return {side: batch / float(np.median(s)) for side, s in seconds.items()}


def add_arguments(parser):
    flags.add(parser, "output", required=True, help="Results file to write (.json).")
    parser.add_argument(
        "--rounds",
        type=flags.integer(1),
        default=6,
        metavar="N",
        help="Number of rounds; both sides take steps in each.",
    )
    parser.add_argument(
        "--steps",
        type=flags.integer(1),
        default=4,
        metavar="N",
        help="Number of timed steps of a side in a round.",
    )
    parser.add_argument(
        "--threads",
        type=flags.integer(1),
        default=os.cpu_count(),
        metavar="N",
        help="Number of threads of both sides.",
    )


def main(args):
    try:
        import pytorch_networks
        import torch
    except ImportError as error:
        install = "pip install -e '.[benchmark]'"
        raise ImportError(
            f"{error}: PyTorch is needed; install it by: {install}"
        ) from None
    tf.config.threading.set_intra_op_parallelism_threads(args.threads)
    tf.config.threading.set_inter_op_parallelism_threads(args.threads)
    torch.set_num_threads(args.threads)
    x = transforms.to_real(cost2100.simulate(_BATCH, _SEED, "indoor"))
    points = {}
    for name in pytorch_networks.NETWORKS:
        sides = {"tfcsi": _tfcsi_step(name, x), "pytorch": _torch_step(name, x)}
        sizes = {side: size for side, (size, _) in sides.items()}
        if len(set(sizes.values())) > 1:
            raise AssertionError(f"{name} has not the same parameters: {sizes}")
        speeds = _speeds(
            {side: step for side, (_, step) in sides.items()}, len(x), args
        )
        points[name] = {
            "parameters": sizes["tfcsi"],
            "matrices_per_second": speeds,
            "ratio": speeds["tfcsi"] / speeds["pytorch"],
        }
        print(f"{name:8s} {points[name]['ratio']:.2f}", flush=True)
    content = {
        "command": results.command_line(sys.argv),
        "versions": {**results.versions(), "torch": torch.__version__},
        "threads": args.threads,
        "batch": len(x),
        "networks": points,
    }
    text = json.dumps(content, indent=1, allow_nan=False) + "\n"
    files.write_text(pathlib.Path(args.output), text)
    print(text)


if __name__ == "__main__":
    program.Program(__doc__, add_arguments, main).start()
