"""Training steps in tfcsi and in PyTorch, the same networks side by side.

    pip install -e '.[benchmark]'
    python benchmarks/pytorch_speed.py --output=results/pytorch_speed.json

CsiNet, CRNet and STNet at CR 4 on 32 x 32, batches of 200: forward, mean squared error,
backward, Adam. The PyTorch side is as such papers' code is: plain modules, eager,
channels first. Both sides take their steps in turn in one process, on a machine that
does nothing else: OpenMP, which PyTorch uses, suffers more from company than
TensorFlow's threads. Medians are written, and the ratio of the speeds, above 1 where
tfcsi is faster. On Linux the first line fetches gigabytes of CUDA; less is enough:

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
from absl import app, flags

try:
    import torch
    from torch import nn
except ImportError:
    sys.exit("error: PyTorch is missing; install it by: pip install -e '.[benchmark]'")

from tfcsi import files, models, results, transforms
from tfcsi.channels import cost2100
from tfcsi.training.optimizer import Adam

_OUTPUT = flags.DEFINE_string("output", None, "Results file.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 6, "Rounds; each side takes its steps in one.")
_STEPS = flags.DEFINE_integer("steps", 4, "Timed steps of a side in a round.")
_THREADS = flags.DEFINE_integer("threads", os.cpu_count(), "Threads of both sides.")
_BATCH, _LATENT, _SEED, _RATE = 200, 512, 1, 1e-3
_NETWORK = {"stnet": {"attention": "released"}}  # Arguments in tfcsi.


def _conv_bn(inputs, filters, kernel, bias=False):
    height, width = kernel
    padding = (height // 2, width // 2)
    conv = nn.Conv2d(inputs, filters, kernel, padding=padding, bias=bias)
    return [conv, nn.BatchNorm2d(filters)]


def _chain(*blocks):
    """Blocks of `_conv_bn` with LeakyReLU in between."""
    layers = blocks[0]
    for block in blocks[1:]:
        layers = [*layers, nn.LeakyReLU(0.3), *block]
    return nn.Sequential(*layers)


class _Residual(nn.Module):
    """LeakyReLU(x + inner(x))."""

    def __init__(self, inner):
        super().__init__()
        self.inner, self.activation = inner, nn.LeakyReLU(0.3)

    def forward(self, x):
        return self.activation(x + self.inner(x))


class _Paths(nn.Module):
    """Two paths side by side, their results joined, LeakyReLU, a last convolution."""

    def __init__(self, first, second, merge):
        super().__init__()
        self.first, self.second = first, second
        self.merge = nn.Sequential(nn.LeakyReLU(0.3), *merge)

    def forward(self, x):
        return self.merge(torch.cat([self.first(x), self.second(x)], 1))


def _long_path(filters):
    return _chain(
        _conv_bn(2, filters, (3, 3)),
        _conv_bn(filters, filters, (1, 9)),
        _conv_bn(filters, filters, (9, 1)),
    )


def _cr_block():
    short = _chain(_conv_bn(2, 7, (1, 5)), _conv_bn(7, 7, (5, 1)))
    return _Residual(_Paths(_long_path(7), short, _conv_bn(14, 2, (1, 1))))


def _csinet():
    def refine_net():
        filters = [(2, 8), (8, 16), (16, 2)]
        return _Residual(_chain(*(_conv_bn(*pair, (3, 3), True) for pair in filters)))

    return nn.Sequential(
        *_conv_bn(2, 2, (3, 3), True),
        nn.LeakyReLU(0.3),
        nn.Flatten(),
        nn.Linear(2048, _LATENT),
        nn.Linear(_LATENT, 2048),
        nn.Unflatten(1, (2, 32, 32)),
        refine_net(),
        refine_net(),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.Sigmoid(),
    )


def _crnet():
    short = nn.Sequential(*_conv_bn(2, 2, (3, 3)))
    return nn.Sequential(
        _Paths(_long_path(2), short, _conv_bn(4, 2, (1, 1))),
        nn.LeakyReLU(0.3),
        nn.Flatten(),
        nn.Linear(2048, _LATENT),
        nn.Linear(_LATENT, 2048),
        nn.Unflatten(1, (2, 32, 32)),
        *_conv_bn(2, 2, (5, 5)),
        nn.LeakyReLU(0.3),
        _cr_block(),
        _cr_block(),
        nn.Sigmoid(),
    )


class _Local(nn.Module):
    """STNet's local attention: 16 groups of 8 tokens, 4 heads."""

    def __init__(self):
        super().__init__()
        self.qkv, self.project = nn.Linear(32, 96), nn.Linear(32, 32)

    def forward(self, x):
        n = len(x)
        qkv = self.qkv(x).reshape(n, 32, 8, 3, 4, 2).permute(3, 0, 1, 4, 2, 5)
        q, k, v = qkv[0], qkv[1], qkv[2]
        weights = (8**-0.5 * (q @ k.transpose(-2, -1))).softmax(-1)
        x = (weights @ v).reshape(n, 2, 16, 4, 16).transpose(2, 3)
        x = x.reshape(n, 4, 4, 8, 16).transpose(2, 3)
        return self.project(x.reshape(n, 2, 32, 32))


class _Global(nn.Module):
    """STNet's global attention: 4 heads of one key."""

    def __init__(self):
        super().__init__()
        self.query, self.project = nn.Linear(32, 32), nn.Linear(32, 32)
        self.summary, self.norm = nn.Conv2d(2, 2, 8, 8), nn.LayerNorm(4, 1e-6)
        self.kv = nn.Linear(4, 8)

    def forward(self, x):
        n = len(x)
        q = self.query(x).reshape(n, 2, 64, 4, 4).transpose(2, 3)
        kv = self.kv(self.norm(self.summary(x))).reshape(n, 2, 2, 4, 1, 4)
        k, v = kv[:, :, 0], kv[:, :, 1]
        weights = (8**-0.5 * (q @ k.transpose(-2, -1))).softmax(-1)
        x = (weights @ v).transpose(1, 2).reshape(n, 2, 32, 32)
        return self.project(x)


class _Stb(nn.Module):
    """STNet's transformer block: four steps, each of normalised rows and residual."""

    def __init__(self):
        super().__init__()

        def mlp():
            return nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32))

        self.steps = nn.ModuleList([_Local(), mlp(), _Global(), mlp()])
        self.norms = nn.ModuleList(nn.LayerNorm(32, 1e-6) for _ in range(4))

    def forward(self, x):
        for norm, step in zip(self.norms, self.steps):
            x = x + step(norm(x))
        return x


def _up_down():
    return nn.Sequential(
        nn.LayerNorm(32, 1e-6),
        nn.ConvTranspose2d(2, 2, 4, 2, 1),
        nn.Conv2d(2, 2, 4, 2, 1),
    )


class _STNet(nn.Module):
    """STNet without the second dense layer of its decoder, which is never used."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 16, 1), nn.Conv2d(16, 2, 5, 1, 2))
        self.attend = nn.Sequential(_Stb(), _up_down())
        self.code = nn.Sequential(
            nn.LayerNorm(32, 1e-6), nn.Flatten(), nn.Linear(2048, _LATENT)
        )
        self.expand = nn.Linear(_LATENT, 2048)
        self.cnn = nn.Sequential(
            *_conv_bn(2, 2, (5, 5)), nn.LeakyReLU(0.3), _cr_block()
        )
        self.stem, self.block = nn.Conv2d(2, 2, 5, 1, 2), _Stb()
        self.up_down, self.norm = _up_down(), nn.LayerNorm(32, 1e-6)

    def forward(self, x):
        x = self.features(x)
        y = self.code(x + self.attend(x))
        image = self.expand(y).reshape(-1, 2, 32, 32)
        cnn = self.cnn(image)
        x = self.up_down(self.block(self.stem(image) + cnn))
        return torch.sigmoid(self.norm(self.block(x + cnn)))


_TORCH = {"csinet": _csinet, "crnet": _crnet, "stnet": _STNet}


def _tfcsi_step(name, x):
    """Returns the number of parameters and a function that takes one training step."""
    model, network = models.get(name), _NETWORK.get(name, {})
    encoder = model.encoder((32, 32), _LATENT, **network)
    decoder = model.decoder((32, 32), _LATENT, **network)
    variables = encoder.trainable_variables + decoder.trainable_variables
    adam = Adam(_RATE)
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
    """As `_tfcsi_step`, of the network in PyTorch, which takes CSI around 0.5."""
    model = _TORCH[name]()
    adam = torch.optim.Adam(model.parameters(), _RATE)
    x = torch.from_numpy(np.ascontiguousarray(x.transpose(0, 3, 1, 2) + 0.5))

    def step():
        adam.zero_grad()
        loss = nn.functional.mse_loss(model(x), x)
        loss.backward()
        adam.step()
        return loss.item()

    return sum(p.numel() for p in model.parameters()), step


def _speeds(steps, batch):
    """Matrices a second of each step, taken in turn."""
    seconds = {side: [] for side in steps}
    for _ in range(_ROUNDS.value):
        for side, step in steps.items():
            step()
            for _ in range(_STEPS.value):
                began = time.perf_counter()
                step()
                seconds[side].append(time.perf_counter() - began)
    return {side: batch / float(np.median(s)) for side, s in seconds.items()}


def main(argv):
    if len(argv) > 1:
        raise app.UsageError(f"unknown arguments: {argv[1:]}")
    tf.config.threading.set_intra_op_parallelism_threads(_THREADS.value)
    tf.config.threading.set_inter_op_parallelism_threads(_THREADS.value)
    torch.set_num_threads(_THREADS.value)
    x = transforms.to_real(cost2100.simulate(_BATCH, _SEED, "indoor"))
    points = {}
    for name in _TORCH:
        sides = {"tfcsi": _tfcsi_step(name, x), "pytorch": _torch_step(name, x)}
        sizes = {side: size for side, (size, _) in sides.items()}
        if len(set(sizes.values())) > 1:
            raise AssertionError(f"{name} has not the same parameters: {sizes}")
        speeds = _speeds({side: step for side, (_, step) in sides.items()}, len(x))
        points[name] = {
            "parameters": sizes["tfcsi"],
            "matrices_per_second": speeds,
            "ratio": speeds["tfcsi"] / speeds["pytorch"],
        }
        print(f"{name:8s} {points[name]['ratio']:.2f}", flush=True)
    content = {
        "command": "python benchmarks/pytorch_speed.py",
        "versions": {**results.versions(), "torch": torch.__version__},
        "threads": _THREADS.value,
        "batch": len(x),
        "networks": points,
    }
    text = json.dumps(content, indent=1) + "\n"
    files.write_text(pathlib.Path(_OUTPUT.value), text)
    print(text)


if __name__ == "__main__":
    app.run(main)
