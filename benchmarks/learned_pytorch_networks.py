"""Networks of the codec `learned` in PyTorch, for trainings and `training_speed.py`.

The entropy model is trained with the very integer arithmetic of
`tfcsi.coding.token_contexts`.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

NUM_RATES, CHANNELS, GROUPS, HIDDEN, SCALES = 16, 32, 4, 64, 48
LAMBDA = 200 * 2 ** (0.6 * torch.arange(NUM_RATES))
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def around(x, p):
    """Pads angles [axis 2] in a circle and delays [axis 3] with zeros."""
    return F.pad(F.pad(x, (0, 0, p, p), mode="circular"), (p, p))


def straight(x, rounded):
    """The value of `rounded` with the gradient of x."""
    return x + (rounded - x).detach()


def of_rate(table, rate):
    """Rows of a table [NUM_RATES, ...]; a product, as the gradient of rows is slow."""
    rows = F.one_hot(rate, NUM_RATES).float() @ table.flatten(1)
    return rows.unflatten(1, table.shape[1:])


class EncoderBlock(nn.Module):
    """Depthwise and pointwise convolutions beside a straight path."""

    def __init__(self, c):
        super().__init__()
        self.spread = nn.Conv2d(c, c, 5, groups=c)
        self.up, self.down = nn.Conv2d(c, 2 * c, 1), nn.Conv2d(2 * c, c, 1)
        nn.init.normal_(self.down.weight, std=0.02)
        nn.init.zeros_(self.down.bias)

    def forward(self, x):
        """Runs the layers."""
        return x + self.down(F.relu(self.up(self.spread(around(x, 2)))))


class Encoder(nn.Module):
    """What the UE computes; see `tfcsi.codecs.learned_networks`."""

    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(4, 32, 2, stride=2)
        self.fine = nn.ModuleList(EncoderBlock(32) for _ in range(2))
        self.merge = nn.Conv2d(32, 64, 2, stride=2)
        self.coarse = nn.ModuleList(EncoderBlock(64) for _ in range(1))
        self.out = nn.Conv2d(64, CHANNELS, 1)
        self.skip = nn.Conv2d(2, CHANNELS, 4, stride=4, bias=False)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)
        w = torch.zeros(CHANNELS, 2, 4, 4)
        for a in range(4):
            for d in range(4):
                for c in range(2):
                    w[(a * 4 + d) * 2 + c, c, a, d] = 1
        self.skip.weight.data = w

    def forward(self, x):
        """Runs the layers."""
        power = (x * x).sum(1, keepdim=True)
        u = torch.cat([0.25 * x, x * (power + 0.1) ** -0.25], 1)
        u = self.patch(u)
        for block in self.fine:
            u = block(u)
        u = self.merge(u)
        for block in self.coarse:
            u = block(u)
        return self.skip(x) + self.out(u)


class Attention(nn.Module):
    """Attention and a dense network, normalised before each."""

    def __init__(self, c, heads=8, ratio=3):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(c), nn.LayerNorm(c)
        self.query, self.key = nn.Linear(c, c), nn.Linear(c, c)
        self.value, self.project = nn.Linear(c, c), nn.Linear(c, c)
        self.up, self.down = nn.Linear(c, ratio * c), nn.Linear(ratio * c, c)

    def forward(self, x):
        """Runs the layers."""
        u = self.norm1(x)
        q, k, v = (
            f(u).unflatten(-1, (self.heads, -1)).transpose(1, 2)
            for f in (self.query, self.key, self.value)
        )
        u = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2)
        x = x + self.project(u)
        return x + self.down(F.silu(self.up(self.norm2(x))))


class ConvBlock(nn.Module):
    """A convolution of 3 x 3 and one of 1 x 1 beside a straight path."""

    def __init__(self, c):
        super().__init__()
        self.norm = nn.LayerNorm(c)
        self.conv, self.mix = nn.Conv2d(c, c, 3), nn.Conv2d(c, c, 1)

    def forward(self, x):
        """Runs the layers."""
        u = self.norm(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x + self.mix(F.silu(self.conv(around(u, 1))))


class Decoder(nn.Module):
    """What the base station computes; see `tfcsi.codecs.learned_networks`."""

    def __init__(self, c=256, fine=128, blocks=(4, 4)):
        super().__init__()
        self.c, self.finer = c, fine
        self.embed = nn.Linear(2 * CHANNELS, c)
        self.place = nn.Parameter(0.02 * torch.randn(64, c))
        self.rate = nn.Parameter(torch.zeros(NUM_RATES, c))
        self.coarse = nn.ModuleList(Attention(c) for _ in range(blocks[0]))
        self.split = nn.Linear(c, 4 * fine)
        self.fine = nn.ModuleList(ConvBlock(fine) for _ in range(blocks[1]))
        self.norm = nn.LayerNorm(fine)
        self.head = nn.Linear(fine, 8)
        self.skip = nn.Linear(CHANNELS, 32, bias=False)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.skip.weight.data = torch.eye(32)

    def forward(self, y, symbols, rate):
        """Runs the layers."""
        y, q = (t.permute(0, 2, 3, 1).flatten(1, 2) for t in (y, symbols))
        small = torch.sign(q) * torch.log2(1 + torch.abs(q))
        u = self.embed(torch.cat([y, small], 2))
        u = u + self.place + of_rate(self.rate, rate)[:, None]
        for block in self.coarse:
            u = block(u)
        u = self.split(u).reshape(-1, 8, 8, 2, 2, self.finer)
        u = u.permute(0, 5, 1, 3, 2, 4).flatten(4).flatten(2, 3)  # [n, c, 16, 16]
        u = u.contiguous(memory_format=torch.channels_last)
        for block in self.fine:
            u = block(u)
        u = self.head(self.norm(u.permute(0, 2, 3, 1)))
        u = u.reshape(-1, 16, 16, 2, 2, 2).permute(0, 5, 1, 3, 2, 4)
        u = u.flatten(4).flatten(2, 3)  # [n, 2, 32, 32]
        x = self.skip(y).reshape(-1, 8, 8, 4, 4, 2).permute(0, 5, 1, 3, 2, 4)
        return x.flatten(4).flatten(2, 3).float() + u.float()


def masks():
    """Which entries of the first layer read what is decoded: bool [8, 64, 5, 5].

    Inputs are CHANNELS signed and CHANNELS magnitudes; a pass is a group of channels on
    one colour of the checkerboard of tokens.
    """
    a, d = np.meshgrid(np.arange(-2, 3), np.arange(-2, 3), indexing="ij")
    other = (a + d) % 2 == 1
    near, plus = np.maximum(abs(a), abs(d)) <= 1, abs(a) + abs(d) <= 1
    out = np.zeros((2 * GROUPS, 2, CHANNELS, 5, 5), bool)
    size = CHANNELS // GROUPS
    for g in range(GROUPS):
        for colour in range(2):
            out[2 * g + colour, 0, : g * size] = plus
            out[2 * g + colour, 1, : g * size] = near
            if colour:
                own = slice(g * size, (g + 1) * size)
                out[2 * g + 1, 0, own], out[2 * g + 1, 1, own] = other & plus, other
    return out.reshape(2 * GROUPS, 2 * CHANNELS, 5, 5)


class Contexts(nn.Module):
    """Integer network of contexts; floats here are integers over powers of two."""

    def __init__(self):
        super().__init__()
        p = 2 * GROUPS
        mask = torch.tensor(masks())
        self.register_buffer("mask", mask.float())
        colour = (torch.arange(8)[:, None] + torch.arange(8)) % 2
        self.register_buffer("colour", colour)
        std = 1 / torch.sqrt(mask.sum((1, 2, 3)).clamp(min=1).float())
        self.w1 = nn.Parameter(
            torch.randn(p, HIDDEN, 2 * CHANNELS, 5, 5) * std[:, None, None, None, None]
        )
        self.b1 = nn.Parameter(0.1 * torch.randn(p, HIDDEN, 8, 8) + 0.5)
        self.r1 = nn.Parameter(
            torch.linspace(-1, 1, NUM_RATES)[:, None, None]
            * torch.randn(p, HIDDEN)
            * 0.5
        )
        self.w2 = nn.Parameter(torch.randn(p, HIDDEN, HIDDEN) / HIDDEN**0.5)
        self.b2 = nn.Parameter(torch.full((p, HIDDEN), 0.5))
        self.w3 = nn.Parameter(
            torch.randn(p, 2 * CHANNELS // GROUPS, HIDDEN) * 0.3 / HIDDEN**0.5
        )
        b3 = torch.zeros(p, 2 * CHANNELS // GROUPS)
        b3[:, CHANNELS // GROUPS :] = -0.5
        self.b3 = nn.Parameter(b3)
        self.mix = nn.Parameter(torch.tensor([0.0, 1.0, -1.0]))

    def weight(self, w):
        """Weights rounded to 64ths."""
        return straight(w, torch.round(w * 64).clamp(-127, 127) / 64)

    def bias(self, b):
        """Biases rounded to 1024ths."""
        return straight(b, torch.round(b * 1024) / 1024)

    def activate(self, x):
        """Sums as 16ths from 0 to 255."""
        return straight(
            x.clamp(0, 255 / 16), torch.floor(x * 16 + 0.5).clamp(0, 255) / 16
        )

    def forward(self, symbols, rate):
        """Means and log2 of scales [n, CHANNELS, 8, 8] from integer symbols."""
        n = len(symbols)
        c = torch.round(16 * torch.log2(1 + torch.abs(symbols))).clamp(max=127) / 16
        x = torch.cat([torch.sign(symbols) * c, c], 1)
        w1 = self.weight(self.w1) * self.mask[:, None]
        h = F.conv2d(around(x, 2), w1.flatten(0, 1)).unflatten(1, (2 * GROUPS, HIDDEN))
        h = self.activate(
            h + self.bias(self.b1) + of_rate(self.bias(self.r1), rate)[..., None, None]
        )
        h = h.permute(1, 0, 3, 4, 2).reshape(2 * GROUPS, n * 64, HIDDEN)
        h = torch.bmm(h, self.weight(self.w2).mT) + self.bias(self.b2)[:, None]
        h = self.activate(h)
        o = torch.bmm(h, self.weight(self.w3).mT) + self.bias(self.b3)[:, None]
        o = o.reshape(GROUPS, 2, n, 8, 8, 2, CHANNELS // GROUPS)
        colour = self.colour[None, None, :, :, None, None]
        o = torch.where(colour == 0, o[:, 0], o[:, 1])  # [G, n, 8, 8, 2, size]
        o = o.permute(1, 4, 0, 5, 2, 3).flatten(2, 3)
        mean = straight(o[:, 0], torch.floor(o[:, 0] * 8 + 0.5) / 8)
        number = torch.floor(o[:, 1] * 4 + 0.5).clamp(-20, 27)  # 0.03 to 108
        return mean, straight(o[:, 1].clamp(-5, 6.75), number / 4)

    def bits(self, y, symbols, rate):
        """Bits of each y [n, CHANNELS, 8, 8] given the integer symbols."""
        mean, scale = self(symbols, rate)
        away = torch.abs(y - mean)
        w = torch.softmax(self.mix, 0)
        p = 0
        for k, ratio in enumerate((0.5, 1.0, 2.2)):
            s = torch.exp2(-scale) / ratio
            low, high = (-0.5 - away) * s, (0.5 - away) * s
            # sigmoid(high) - sigmoid(low), without loss of digits.
            part = torch.sigmoid(high) * torch.sigmoid(-low) * -torch.expm1(low - high)
            p = p + w[k] * part
        return -torch.log2(p.clamp(min=2.0**-15))


class Learned(nn.Module):
    """Encoder, entropy model and decoder of all rates.

    `mixed` says whether encoder and decoder compute in bfloat16.
    """

    def __init__(self, mixed=DEVICE == "cuda"):
        super().__init__()
        self.mixed = mixed
        self.encoder, self.decoder, self.contexts = Encoder(), Decoder(), Contexts()
        start = torch.log(torch.sqrt(LAMBDA) / (2.94 * 32))
        self.gain = nn.Parameter(start[:, None].repeat(1, CHANNELS))

    def forward(self, x, rate, noise, sure: bool):
        """Bits [n] and relative errors [n] of x [n, 2, 32, 32] of norm 32."""
        gain = torch.exp(of_rate(self.gain, rate))[:, :, None, None]
        with torch.autocast(DEVICE, torch.bfloat16, self.mixed, False):
            y = self.encoder(x)
        y = y.float() * gain
        symbols = torch.round(y)
        bits = self.contexts.bits(
            symbols if sure else y + noise, symbols.detach(), rate
        )
        q = symbols.detach() if sure else straight(y, symbols)
        with torch.autocast(DEVICE, torch.bfloat16, self.mixed, False):
            x_hat = self.decoder(q / gain, q, rate)
        return bits.sum((1, 2, 3)), ((x - x_hat) ** 2).sum((1, 2, 3)) / 1024
