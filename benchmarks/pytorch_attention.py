"""Networks of attention and of coordinates in PyTorch, for `training_speed.py`.

As in `pytorch_networks.py`, each takes CSI around 0.5, float32 [n, 2, 32, 32], and is
the network that tfcsi makes with `form="released"`.
"""

import math

import torch
from pytorch_networks import LATENT, conv_bn, cr_block
from torch import nn


class _TransNet(nn.Module):
    """32 tokens of 64 pass twice through one layer, at the UE and at the BS."""

    def __init__(self):
        super().__init__()
        sizes = {"dropout": 0.0, "batch_first": True}
        self.encoder = nn.TransformerEncoderLayer(64, 2, 2048, **sizes)
        self.code, self.expand = nn.Linear(2048, LATENT), nn.Linear(LATENT, 2048)
        self.decoder = nn.TransformerDecoderLayer(64, 2, 2048, **sizes)
        self.norm = nn.LayerNorm(64)

    def forward(self, x):
        tokens = self.encoder(self.encoder(x.reshape(-1, 32, 64)))
        memory = self.expand(self.code(tokens.flatten(1))).reshape(-1, 32, 64)
        tokens = self.decoder(self.decoder(memory, memory), memory)
        return self.norm(tokens).reshape(-1, 2, 32, 32)


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
        self.summary, self.norm = nn.Conv2d(2, 2, 8, 8), nn.LayerNorm(4, 1e-5)
        self.kv = nn.Linear(4, 8)

    def forward(self, x):
        n = len(x)
        q = self.query(x).reshape(n, 2, 64, 4, 4).transpose(2, 3)
        kv = self.kv(self.norm(self.summary(x))).reshape(n, 2, 2, 4, 1, 4)
        k, v = kv[:, :, 0], kv[:, :, 1]
        weights = (8**-0.5 * (q @ k.transpose(-2, -1))).softmax(-1)
        x = (weights @ v).transpose(1, 2).reshape(n, 2, 32, 32)
        return self.project(x)


class _Heads(nn.Module):
    """Attention of 4 heads of 8 among tokens of two numbers."""

    def __init__(self):
        super().__init__()
        self.query, self.key = nn.Linear(2, 32), nn.Linear(2, 32)
        self.value, self.project = nn.Linear(2, 32), nn.Linear(32, 2)

    def forward(self, tokens, source):
        q, k, v = (
            layer(each).unflatten(-1, (4, 8)).transpose(-2, -3)
            for layer, each in (
                (self.query, tokens),
                (self.key, source),
                (self.value, source),
            )
        )
        x = nn.functional.scaled_dot_product_attention(q, k, v)
        return self.project(x.transpose(-2, -3).flatten(-2))


class _WindowedLocal(nn.Module):
    """STQENet's attention within windows of 8 x 8."""

    def __init__(self):
        super().__init__()
        self.attention = _Heads()

    def forward(self, x):
        x = x.reshape(-1, 2, 4, 8, 4, 8).permute(0, 2, 4, 3, 5, 1)
        x = x.reshape(-1, 64, 2)
        x = self.attention(x, x).reshape(-1, 4, 4, 8, 8, 2)
        return x.permute(0, 5, 1, 3, 2, 4).reshape(-1, 2, 32, 32)


class _WindowedGlobal(nn.Module):
    """STQENet's attention of every position to one summary a window."""

    def __init__(self):
        super().__init__()
        self.summary, self.norm = nn.Conv2d(2, 2, 8, 8), nn.LayerNorm(4, 1e-5)
        self.attention = _Heads()

    def forward(self, x):
        source = self.norm(self.summary(x)).flatten(2).transpose(1, 2)
        x = self.attention(x.flatten(2).transpose(1, 2), source)
        return x.transpose(1, 2).reshape(-1, 2, 32, 32)


class _Stb(nn.Module):
    """A transformer block: four steps, each of normalised rows and residual."""

    def __init__(self, local, whole):
        super().__init__()

        def mlp():
            return nn.Sequential(nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 32))

        self.steps = nn.ModuleList([local(), mlp(), whole(), mlp()])
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
    """STNet without the second dense layer of its decoder, which is never used.

    With attention in windows it is STQENet.
    """

    def __init__(self, local=_Local, whole=_Global):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(2, 16, 1), nn.Conv2d(16, 2, 5, 1, 2))
        self.attend = nn.Sequential(_Stb(local, whole), _up_down())
        self.code = nn.Sequential(
            nn.LayerNorm(32, 1e-6), nn.Flatten(), nn.Linear(2048, LATENT)
        )
        self.expand = nn.Linear(LATENT, 2048)
        self.cnn = nn.Sequential(*conv_bn(2, 2, (5, 5)), nn.LeakyReLU(0.3), cr_block())
        self.stem, self.block = nn.Conv2d(2, 2, 5, 1, 2), _Stb(local, whole)
        self.up_down, self.norm = _up_down(), nn.LayerNorm(32, 1e-6)

    def forward(self, x):
        x = self.features(x)
        y = self.code(x + self.attend(x))
        image = self.expand(y).reshape(-1, 2, 32, 32)
        cnn = self.cnn(image)
        x = self.up_down(self.block(self.stem(image) + cnn))
        return torch.sigmoid(self.norm(self.block(x + cnn)))


class _CsiInr(nn.Module):
    """CSI-INR: three gradient steps find a codeword, a modulated SIREN reads it.

    `LENGTH` is the length of the codeword.
    """

    LENGTH, WIDTHS, FEATURES, SIGMA = 32, (256, 32), 128, (4.0, 1.0)
    GAIN, STEPS, RATE, LONGEST = 4.0, 3, 5.0, 3.0

    def __init__(self):
        super().__init__()
        axis = torch.linspace(-1, 1, 32)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1)
        frequencies = torch.randn(2, self.FEATURES) * torch.tensor(self.SIGMA)[:, None]
        self.register_buffer("turns", 2 * math.pi * grid.reshape(-1, 2))
        self.register_buffer("frequencies", frequencies)
        inputs = (2 * self.FEATURES, *self.WIDTHS)
        self.blocks = nn.ModuleList(
            nn.Linear(*pair) for pair in zip(inputs, inputs[1:])
        )
        self.out = nn.Linear(inputs[-1], 2)
        self.scale = nn.Linear(self.LENGTH, sum(self.WIDTHS))
        self.shift = nn.Linear(self.LENGTH, sum(self.WIDTHS))
        nn.init.ones_(self.scale.bias)
        nn.init.zeros_(self.shift.bias)
        self.log_rate = nn.Parameter(torch.full((self.LENGTH,), math.log(self.RATE)))

    def read(self, y):
        """The network, y [n, LENGTH] to CSI times `GAIN`, [n, 1024, 2]."""
        angles = self.turns @ self.frequencies
        x = torch.cat([angles.cos(), angles.sin()], 1)
        scales = self.scale(y)[:, None].split(self.WIDTHS, 2)
        shifts = self.shift(y)[:, None].split(self.WIDTHS, 2)
        for block, scale, shift in zip(self.blocks, scales, shifts):
            x = scale * torch.sin(block(x)) + shift
        return self.out(x)

    def find(self, x):
        """The codewords of CSI times `GAIN`, [n, 1024, 2]."""
        y = torch.zeros(len(x), self.LENGTH, requires_grad=True)
        for _ in range(self.STEPS):
            loss = ((self.read(y) - x) ** 2).sum() / x.shape[1]
            (gradient,) = torch.autograd.grad(loss, y, create_graph=True)
            step = -self.log_rate.exp() * gradient
            power = (step**2).mean(1, keepdim=True)
            y = y + step * (self.LONGEST * (power + 1e-12).rsqrt()).clamp(max=1)
        return y

    def forward(self, x):
        points = self.GAIN * (x - 0.5).flatten(2).transpose(1, 2)
        x = self.read(self.find(points)).transpose(1, 2).reshape(x.shape)
        return x / self.GAIN + 0.5


NETWORKS = {
    "transnet": _TransNet,
    "stnet": _STNet,
    "stqenet": lambda: _STNet(_WindowedLocal, _WindowedGlobal),
    "csi_inr": _CsiInr,
}
