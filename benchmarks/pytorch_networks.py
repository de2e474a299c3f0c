"""Convolutional networks in PyTorch, for `training_speed.py`.

They are written as in the code of such papers: plain modules, channels first. Each
takes CSI around 0.5, float32 [n, 2, 32, 32], and returns it after a codeword of
`LATENT` entries. It is the network that tfcsi makes with `form="released"`, and calls
its layers in the same order (tests/models/test_pytorch_twins.py).
"""

import torch
from torch import nn

LATENT = 512


def conv_bn(inputs, filters, kernel, bias=False, epsilon=1e-5, **options):
    """A convolution that keeps the size of the image, and a batch normalisation.

    Returns:
      The two modules.
    """
    rate = options.get("dilation", 1)
    padding = tuple(rate * (side // 2) for side in kernel)
    conv = nn.Conv2d(inputs, filters, kernel, padding=padding, bias=bias, **options)
    return [conv, nn.BatchNorm2d(filters, epsilon)]


def _keras_bn(inputs, filters, kernel):
    """`conv_bn` with a bias and the epsilon of Keras."""
    return conv_bn(inputs, filters, kernel, True, 1e-3)


def _chain(*blocks):
    """Blocks of `conv_bn` with LeakyReLU in between."""
    layers = blocks[0]
    for block in blocks[1:]:
        layers = [*layers, nn.LeakyReLU(0.3), *block]
    return nn.Sequential(*layers)


def _prelu(channels):
    return nn.PReLU(channels, 0.3)


def _code():
    """The dense layers of the codeword."""
    return [
        nn.Flatten(),
        nn.Linear(2048, LATENT),
        nn.Linear(LATENT, 2048),
        nn.Unflatten(1, (2, 32, 32)),
    ]


class _Residual(nn.Module):
    """activation(x + inner(x)), by default a LeakyReLU."""

    def __init__(self, *inner, activation=None):
        super().__init__()
        self.inner = nn.Sequential(*inner)
        self.activation = activation or nn.LeakyReLU(0.3)

    def forward(self, x):
        return self.activation(x + self.inner(x))


class _Paths(nn.Module):
    """Paths side by side, their results joined, and the layers behind."""

    def __init__(self, paths, merge):
        super().__init__()
        self.paths, self.merge = nn.ModuleList(paths), nn.Sequential(*merge)

    def forward(self, x):
        return self.merge(torch.cat([path(x) for path in self.paths], 1))


def _csinet():
    def refine_net():
        filters = [(2, 8), (8, 16), (16, 2)]
        return _Residual(_chain(*(_keras_bn(*pair, (3, 3)) for pair in filters)))

    return nn.Sequential(
        *_keras_bn(2, 2, (3, 3)),
        nn.LeakyReLU(0.3),
        *_code(),
        refine_net(),
        refine_net(),
        nn.Conv2d(2, 2, 3, padding=1),
        nn.Sigmoid(),
    )


def _long_path(filters):
    return _chain(
        conv_bn(2, filters, (3, 3)),
        conv_bn(filters, filters, (1, 9)),
        conv_bn(filters, filters, (9, 1)),
    )


def cr_block():
    """Returns CRNet's residual block."""
    short = _chain(conv_bn(2, 7, (1, 5)), conv_bn(7, 7, (5, 1)))
    merge = [nn.LeakyReLU(0.3), *conv_bn(14, 2, (1, 1))]
    return _Residual(_Paths([_long_path(7), short], merge))


def _crnet():
    short = nn.Sequential(*conv_bn(2, 2, (3, 3)))
    merge = [nn.LeakyReLU(0.3), *conv_bn(4, 2, (1, 1))]
    return nn.Sequential(
        _Paths([_long_path(2), short], merge),
        nn.LeakyReLU(0.3),
        *_code(),
        *conv_bn(2, 2, (5, 5)),
        nn.LeakyReLU(0.3),
        cr_block(),
        cr_block(),
        nn.Sigmoid(),
    )


class _Difference(nn.Module):
    """first(x) - second(x)."""

    def __init__(self, first, second):
        super().__init__()
        self.first, self.second = first, second

    def forward(self, x):
        return self.first(x) - self.second(x)


def _cllwcsinet():
    leaky = nn.LeakyReLU(0.3)

    def branch(side):
        return _chain(_keras_bn(2, 2, (1, side)), _keras_bn(2, 2, (side, 1)))

    def line(*widths):
        pairs = zip(widths, widths[1:])
        return _chain(*(_keras_bn(*pair, (1, 7)) for pair in pairs))

    def path(side):
        pairs = [(2, 8), (8, 16), (16, 2)]
        return _chain(*(_keras_bn(*pair, (1, side)) for pair in pairs))

    def refine():
        merge = [leaky, *_keras_bn(4, 2, (1, 7))]
        return _Residual(_Paths([path(7), path(5)], merge))

    return nn.Sequential(
        _Paths(
            [nn.Sequential(branch(7), leaky), branch(5), branch(3)],
            [*_keras_bn(6, 2, (1, 7)), leaky],
        ),
        nn.Flatten(1, 2),
        nn.Unflatten(1, (64, 1)),
        _Paths(
            [nn.Sequential(line(64, 32, 16), leaky), line(64, 16)],
            [leaky, *_keras_bn(32, 16, (1, 7)), leaky],
        ),
        _Difference(nn.Sequential(line(16, 32, 64), leaky), line(16, 32, 64)),
        leaky,
        nn.Flatten(1, 2),
        nn.Unflatten(1, (2, 32)),
        refine(),
        refine(),
        *_keras_bn(2, 2, (1, 7)),
        nn.Sigmoid(),
    )


def _acrnet():
    def encoder_block():
        return _Residual(
            *conv_bn(2, 2, (1, 9)),
            _prelu(2),
            *conv_bn(2, 2, (9, 1)),
            activation=_prelu(2),
        )

    def decoder_block():
        return _Residual(
            *conv_bn(2, 8, (1, 9)),
            _prelu(8),
            *conv_bn(8, 8, (7, 7), groups=4),
            _prelu(8),
            *conv_bn(8, 2, (9, 1)),
            activation=_prelu(2),
        )

    return nn.Sequential(
        *conv_bn(2, 2, (5, 5)),
        _prelu(2),
        encoder_block(),
        encoder_block(),
        *_code(),
        *conv_bn(2, 2, (5, 5)),
        _prelu(2),
        decoder_block(),
        decoder_block(),
        nn.Sigmoid(),
    )


def _dcrnet():
    def joined(*paths):
        merge = [_prelu(4), *conv_bn(4, 2, (1, 1))]
        return _Residual(_Paths(paths, merge), activation=_prelu(2))

    def mix(kernel, rate=1):
        return [_prelu(8), *conv_bn(8, 8, kernel, groups=4, dilation=rate)]

    def encoder_block():
        layers = []
        for rate in (1, 2, 3):
            for kernel in ((3, 1), (1, 3)):
                layers += [_prelu(2), *conv_bn(2, 2, kernel, dilation=rate)]
        return joined(nn.Sequential(*layers[1:]), nn.Sequential(*conv_bn(2, 2, (3, 3))))

    def decoder_block():
        dilated = nn.Sequential(
            *conv_bn(2, 8, (3, 3), dilation=2),
            *mix((3, 1), 3),
            nn.ChannelShuffle(4),
            *mix((1, 3), 3),
            _prelu(8),
            *conv_bn(8, 2, (3, 3)),
        )
        plain = nn.Sequential(
            *conv_bn(2, 8, (1, 3)),
            *mix((5, 1)),
            nn.ChannelShuffle(4),
            *mix((1, 5)),
            nn.ChannelShuffle(4),
            _prelu(8),
            *conv_bn(8, 2, (3, 1)),
        )
        return joined(dilated, plain)

    return nn.Sequential(
        *conv_bn(2, 2, (5, 5)),
        _prelu(2),
        encoder_block(),
        *_code(),
        *conv_bn(2, 2, (5, 5)),
        _prelu(2),
        decoder_block(),
        decoder_block(),
        nn.Sigmoid(),
    )


NETWORKS = {
    "csinet": _csinet,
    "crnet": _crnet,
    "cllwcsinet": _cllwcsinet,
    "dcrnet": _dcrnet,
    "acrnet": _acrnet,
}
