"""Training of the networks of the codec `learned`, for `learned_pytorch.py`."""

import json
import math
import time

import numpy as np
import torch
from learned_pytorch_networks import CHANNELS, DEVICE, LAMBDA, NUM_RATES, Learned
from torch import nn


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


def train_sets(data_file, folder, sets, size):
    """Trains each set in turn; the arguments are the flags of `learned_pytorch.py`."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    torch.manual_seed(0)
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
