"""CsiNet, CRNet and STNet in PyTorch, for `pytorch_speed.py`.

Each takes CSI around 0.5, float32 [n, 2, 32, 32], and returns it after a codeword of
`LATENT` entries.
"""

import torch
from torch import nn

LATENT = 512


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
        nn.Linear(2048, LATENT),
        nn.Linear(LATENT, 2048),
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
        nn.Linear(2048, LATENT),
        nn.Linear(LATENT, 2048),
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
            nn.LayerNorm(32, 1e-6), nn.Flatten(), nn.Linear(2048, LATENT)
        )
        self.expand = nn.Linear(LATENT, 2048)
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


NETWORKS = {"csinet": _csinet, "crnet": _crnet, "stnet": _STNet}
