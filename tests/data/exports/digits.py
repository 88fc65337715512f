"""What the scripts of this folder share: 8x8 digits, a small network with two branches, and how outputs are kept."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

HERE = Path(__file__).parent
HELD_OUT, ROWS = 360, 16


def data() -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Pixels 0..1 as [N, 1, 8, 8] and labels: training, then held out (the split of examples/digits)."""
    torch.manual_seed(1)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    images, labels = load_digits(return_X_y=True)
    pixels = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    x, x_test, y, y_test = train_test_split(pixels, labels, test_size=HELD_OUT, stratify=labels, random_state=1)
    return torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(x_test), torch.from_numpy(y_test)


class Branches(nn.Module):
    """Conv-ReLU-MaxPool, two branches (3x3 with ReLU6, 1x1 with ReLU), Concat, Flatten, Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 8, 3, padding=1)
        self.relu = nn.ReLU()
        self.pool = nn.MaxPool2d(2)
        self.wide = nn.Conv2d(8, 8, 3, padding=1)
        self.relu_wide = nn.ReLU6()
        self.narrow = nn.Conv2d(8, 8, 1)
        self.relu_narrow = nn.ReLU()
        self.linear = nn.Linear(16 * 4 * 4, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        x = self.pool(self.relu(self.stem(x)))
        parts = self.relu_wide(self.wide(x)), self.relu_narrow(self.narrow(x))
        return self.linear(torch.cat(parts, 1).flatten(1))


def train(model: nn.Module, x: Tensor, y: Tensor, epochs: int, rate: float) -> None:
    """Adam on shuffled batches of 64."""
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()


def power_of_two(largest: float) -> float:
    """The smallest power of two with which values up to `largest` fit into int8."""
    return 2.0 ** math.ceil(math.log2(largest / 127))


def finish(name: str, model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Write NAME.npz: held-out rows and what the tool itself computes for them, one by one; print the accuracy."""
    with torch.no_grad():
        outputs = torch.cat([model(row[None]) for row in x])
    np.savez_compressed(HERE / f"{name}.npz", x=x[:ROWS].numpy(), tool=outputs[:ROWS].numpy())
    accuracy = float((outputs.argmax(1) == y).float().mean())
    print(f"{name}: accuracy {accuracy:.2%}, {(HERE / name).with_suffix('.onnx').stat().st_size} bytes")
