"""Training steps of networks in PyTorch, the same as those of `training_steps.py`."""

import learned_pytorch_networks
import pytorch_attention
import pytorch_networks
import torch
from training_steps import RATE, SEED

NETWORKS = {**pytorch_networks.NETWORKS, **pytorch_attention.NETWORKS}


def step_of(name, x, mixed=False):
    """Makes a network and its optimizer.

    Args:
      name: One of `training_steps.NETWORKS`.
      x: What `training_steps.matrices` returns.
      mixed: Whether PyTorch chooses bfloat16 for the operations that gain by it.

    Returns:
      The number of parameters and a function that takes one training step.
    """
    torch.manual_seed(SEED)
    x = torch.from_numpy(x).permute(0, 3, 1, 2).contiguous()
    model, loss = _learned(x, mixed) if name == "learned" else _pair(name, x, mixed)
    adam = torch.optim.Adam(model.parameters(), RATE)

    def step():
        adam.zero_grad()
        value = loss()
        value.backward()
        adam.step()
        return value.item()

    return sum(p.numel() for p in model.parameters()), step


def _pair(name, x, mixed):
    """Network and loss of an encoder and a decoder, on CSI around 0.5."""
    model, x = NETWORKS[name](), x + 0.5

    def loss():
        with torch.autocast("cpu", torch.bfloat16, mixed):
            return torch.nn.functional.mse_loss(model(x), x)

    return model, loss


def _learned(x, mixed):
    """Network and loss of the codec `learned`."""
    model = learned_pytorch_networks.Learned(mixed)
    rate = torch.arange(len(x)) % learned_pytorch_networks.NUM_RATES
    weights = learned_pytorch_networks.LAMBDA[rate]
    tokens = (learned_pytorch_networks.CHANNELS, x.shape[2] // 4, x.shape[3] // 4)

    def loss():
        noise = torch.rand(len(x), *tokens) - 0.5
        bits, error = model(x, rate, noise, False)
        return (bits + weights * error).mean()

    return model, loss
