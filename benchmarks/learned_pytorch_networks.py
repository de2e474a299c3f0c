"""Networks of the codec `learned` in PyTorch and their training.

`learned_pytorch.py` is the program. The entropy model is trained with the very integer
arithmetic of `tfcsi.coding.token_contexts`.
"""

import json
import math
import os
import time

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
    """Encoder, entropy model and decoder of all rates."""

    def __init__(self):
        super().__init__()
        self.encoder, self.decoder, self.contexts = Encoder(), Decoder(), Contexts()
        start = torch.log(torch.sqrt(LAMBDA) / (2.94 * 32))
        self.gain = nn.Parameter(start[:, None].repeat(1, CHANNELS))

    def forward(self, x, rate, noise, sure: bool):
        """Bits [n] and relative errors [n] of x [n, 2, 32, 32] of norm 32."""
        gain = torch.exp(of_rate(self.gain, rate))[:, :, None, None]
        with torch.autocast(DEVICE, torch.bfloat16, DEVICE == "cuda", False):
            y = self.encoder(x)
        y = y.float() * gain
        symbols = torch.round(y)
        bits = self.contexts.bits(
            symbols if sure else y + noise, symbols.detach(), rate
        )
        q = symbols.detach() if sure else straight(y, symbols)
        with torch.autocast(DEVICE, torch.bfloat16, DEVICE == "cuda", False):
            x_hat = self.decoder(q / gain, q, rate)
        return bits.sum((1, 2, 3)), ((x - x_hat) ** 2).sum((1, 2, 3)) / 1024


class Muon:
    """Muon (Jordan et al., 2024) over matrices of equal form at once."""

    def __init__(self, parameters):
        forms = {}
        for p in parameters:
            forms.setdefault((p.shape[0], p[0].numel()), []).append(p)
        self.forms = forms
        self.moment = {
            f: torch.zeros(len(p), *f, device=DEVICE) for f, p in forms.items()
        }

    @torch.no_grad()
    def step(self, rate):
        """Moves the matrices against their gradients."""
        for form, parameters in self.forms.items():
            g = torch.stack([p.grad.reshape(form) for p in parameters])
            m = self.moment[form].mul_(0.95).add_(g, alpha=0.05)
            u = torch.lerp(g, m, 0.95).bfloat16()
            tall = form[0] > form[1]
            u = u.mT if tall else u
            u = u / (u.norm(dim=(1, 2), keepdim=True) + 1e-7)
            for _ in range(5):
                a = u @ u.mT
                u = 3.4445 * u + (-4.775 * a + 2.0315 * a @ a) @ u
            u = (u.mT if tall else u).float() * max(1, form[0] / form[1]) ** 0.5
            for p, update in zip(parameters, u):
                p.mul_(1 - 0.01 * rate).sub_(update.reshape(p.shape), alpha=rate)


def batch_of(data, size, shift):
    """Random matrices of norm 32 with random phase, mirror and shift of angle."""
    v = data[torch.randint(len(data), (size,), device=DEVICE)].float()
    x = torch.sign(v) * v * v
    a = torch.fft.ifft(torch.complex(x[:, 0], x[:, 1]), dim=1)
    a = torch.where(torch.rand(size, 1, 1, device=DEVICE) < 0.5, a.flip(1), a)
    move = (2 * torch.rand(size, 1, 1, device=DEVICE) - 1) * shift
    n = torch.arange(32, device=DEVICE)[None, :, None]
    turn = 2 * math.pi * (n * move / 32 + torch.rand(size, 1, 1, device=DEVICE))
    a = torch.fft.fft(a * torch.polar(torch.ones_like(turn), turn), dim=1)
    x = torch.stack([a.real, a.imag], 1)
    return 32 * x / torch.sqrt((x * x).sum((1, 2, 3), keepdim=True))


@torch.no_grad()
def curve(net, data):
    """Bits and NMSE [dB] of validation matrices at each rate, by true symbols."""
    v = data.float()
    x = torch.sign(v) * v * v
    x = 32 * x / torch.sqrt((x * x).sum((1, 2, 3), keepdim=True))
    out = []
    for r in range(NUM_RATES):
        rate = torch.full((len(x),), r, device=DEVICE)
        bits, error = net(x, rate, None, True)
        out.append(
            [
                round(bits.mean().item(), 2),
                round(10 * math.log10(error.mean().item()), 3),
            ]
        )
    return out


class Step:
    """Loss and gradients of a batch, as a CUDA graph where there is one."""

    def __init__(self, net, size, sure):
        self.net, self.sure, self.graph = net, sure, None
        for name, p in net.named_parameters():
            if name.startswith(("encoder.", "gain")):
                p.requires_grad_(not sure)
        self.inputs = [
            torch.randn(size, 2, 32, 32, device=DEVICE),
            torch.randint(NUM_RATES, (size,), device=DEVICE),
            torch.rand(size, CHANNELS, 8, 8, device=DEVICE) - 0.5,
            torch.ones(size, 2, device=DEVICE) / size,
        ]
        if DEVICE == "cuda":
            stream = torch.cuda.Stream()
            stream.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(stream):
                for _ in range(3):
                    self.backward()
            torch.cuda.current_stream().wait_stream(stream)
            torch.cuda.synchronize()
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.result = self.backward()

    def backward(self):
        """Computes the gradients; returns bits and errors [n]."""
        for p in self.net.parameters():
            p.grad = None
        x, rate, noise, weight = self.inputs
        bits, error = self.net(x, rate, noise, self.sure)
        (weight[:, 0] * bits + weight[:, 1] * error).sum().backward()
        return bits.detach(), error.detach()

    def __call__(self, *inputs):
        """As `backward`, for these inputs."""
        for own, given in zip(self.inputs, inputs):
            own.copy_(given)
        if self.graph is None:
            return self.backward()
        self.graph.replay()
        return self.result


def train(net, data, val, seconds, shift, size):
    """Trains for some seconds; returns the curves of validation over time."""
    start, steps, log, mark, sure = time.time(), 0, [], 0, False
    params = dict(net.named_parameters())
    inner = [
        p
        for name, p in params.items()
        if p.ndim > 1
        and name.startswith(("decoder.coarse", "decoder.fine", "decoder.split"))
    ]
    chosen = {id(p) for p in inner}
    rest = [p for p in params.values() if id(p) not in chosen]
    muon = Muon(inner)
    adam = torch.optim.AdamW(rest, lr=1e-3, betas=(0.9, 0.95), weight_decay=0.0)
    lam = LAMBDA.to(DEVICE)
    first = torch.tensor(curve(net, val), device=DEVICE)
    mean = first[:, 0] + lam * 10 ** (first[:, 1] / 10)
    step = Step(net, size, sure)
    while (share := (time.time() - start) / seconds) < 1:
        if share > 0.87 and not sure:
            sure = True
            step = Step(net, size, sure)
        level = min(1, (steps + 1) / 200) * min(1, (1 - share) / 0.6 + 0.01)
        x = batch_of(data, size, shift)
        rate = torch.randint(NUM_RATES, (size,), device=DEVICE)
        noise = torch.rand(size, CHANNELS, 8, 8, device=DEVICE) - 0.5
        weight = torch.stack([torch.ones_like(lam), lam], 1) / mean[:, None] / size
        bits, error = step(x, rate, noise, weight[rate])
        cost = bits + lam[rate] * error
        now = torch.zeros_like(mean).index_add(0, rate, cost)
        count = torch.bincount(rate, minlength=NUM_RATES)
        now = torch.where(count > 0, now / count.clamp(min=1), mean)
        mean = torch.lerp(mean, now, 0.05)
        nn.utils.clip_grad_norm_(rest, 1.0)
        for group in adam.param_groups:
            group["lr"] = 2e-3 * level
        adam.step()
        muon.step(0.02 * level)
        steps += 1
        if steps % 20 == 0 and DEVICE == "cuda":
            torch.cuda.synchronize()  # So that the clock tells the truth.
        if share * 8 > mark + 1:
            mark += 1
            log.append([round(share * seconds), steps, curve(net, val)])
            print(log[-1][:2], log[-1][2][2::4], flush=True)
    log.append([round(seconds), steps, curve(net, val)])
    print(log[-1], flush=True)
    return log


def arrays_of(net):
    """Weights by name: float16, and integers of the entropy model."""
    out = {}
    for name, p in net.state_dict().items():
        if not name.startswith("contexts."):
            out[name] = (
                p.float()
                .cpu()
                .numpy()
                .astype(np.float32 if name == "gain" else np.float16)
            )
    c = net.contexts
    for name in ("w1", "w2", "w3"):
        w = torch.round(getattr(c, name) * 64).clamp(-127, 127)
        w = w * c.mask[:, None] if name == "w1" else w
        out[f"contexts.{name}"] = w.detach().cpu().numpy().astype(np.int8)
    for name in ("b1", "r1", "b2", "b3"):
        out[f"contexts.{name}"] = (
            torch.round(getattr(c, name) * 1024).detach().cpu().numpy().astype(np.int32)
        )
    out["contexts.mix"] = torch.softmax(c.mix, 0).detach().cpu().numpy()
    return out


def train_sets(data_file, folder, sets):
    """Trains each set in turn; the arguments are the flags of `learned_pytorch.py`."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
    size = int(os.environ.get("BATCH", "256"))
    data = np.load(data_file)
    net = Learned().to(DEVICE)
    print(
        sum(p.numel() for p in net.encoder.parameters()),
        sum(p.numel() for p in net.decoder.parameters()),
        flush=True,
    )
    for part in sets:
        name, seconds = part.split(":")
        train_set = torch.tensor(data[f"train_{name}"], device=DEVICE)
        if name == "28":
            train_set = torch.cat(
                [train_set, train_set, torch.tensor(data["train_5p3"], device=DEVICE)]
            )
        val = torch.tensor(data[f"val_{name}"][:1000], device=DEVICE)
        log = train(
            net, train_set, val, float(seconds), 1.5 if name == "28" else 0.5, size
        )
        np.savez(f"{folder}/{name}.npz", **arrays_of(net))
        with open(f"{folder}/{name}.json", "w") as f:
            json.dump(log, f)
