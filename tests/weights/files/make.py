"""Makes the files of this folder with PyTorch 2.13: python make.py."""

import pathlib
from collections import OrderedDict

import torch

FOLDER = pathlib.Path(__file__).parent
numbers = torch.arange(12, dtype=torch.float32)
state = OrderedDict(
    matrix=numbers.reshape(3, 4),
    transposed=numbers.reshape(3, 4).T,
    part=numbers[4:8],
    parameter=torch.nn.Parameter(torch.full((2,), 0.5)),
    half=torch.tensor([1.5, -2.0], dtype=torch.float16),
    bfloat=torch.tensor([1.5, -2.0], dtype=torch.bfloat16),
    double=torch.tensor([0.25], dtype=torch.float64),
    count=torch.tensor(7),
    empty=torch.zeros(0, 3),
)
layer = torch.nn.Linear(3, 2)
with torch.no_grad():
    layer.weight.copy_(torch.arange(6.0).reshape(2, 3))
    layer.bias.copy_(torch.tensor([1.0, -1.0]))
optimizer = torch.optim.Adam(layer.parameters())
layer(torch.ones(1, 3)).sum().backward()
before = {k: v.clone() for k, v in layer.state_dict().items()}
optimizer.step()
checkpoint = {
    "epoch": 3,
    "state_dict": OrderedDict((f"module.{k}", v) for k, v in before.items()),
    "optimizer": optimizer.state_dict(),
    "best_nmse": torch.tensor(-5.0),
}
for name, held in (("state", state), ("checkpoint", checkpoint)):
    torch.save(held, FOLDER / f"{name}_zip.pth")
    torch.save(
        held, FOLDER / f"{name}_row.pth.tar", _use_new_zipfile_serialization=False
    )
torch.save(layer, FOLDER / "whole_module.pth")
