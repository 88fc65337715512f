"""More networks for the tools: a residual, gates and curves, and parts that are split, summed and averaged."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def block(inputs: int, outputs: int, kernel: int, **options: int) -> nn.Sequential:
    """Conv, BatchNorm, ReLU6."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False, **options)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU6())


class Residual(nn.Module):
    """Conv, depthwise 3x3 and 1x1 beside a shortcut, a strided layer, global average pool, Linear."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(1, 16, 3)
        self.depthwise = block(16, 16, 3, groups=16)
        self.pointwise = nn.Sequential(nn.Conv2d(16, 16, 1, bias=False), nn.BatchNorm2d(16))
        self.relu = nn.ReLU()
        self.strided = block(16, 24, 3, stride=2)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.linear = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        x = self.stem(x)
        x = self.relu(x + self.pointwise(self.depthwise(x)))
        return self.linear(self.pool(self.strided(x)).flatten(1))


class Gate(nn.Module):
    """Squeeze and excite: each channel times a number made of all means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.down, self.up = nn.Conv2d(channels, 8, 1), nn.Conv2d(8, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """The same shape."""
        return x * torch.sigmoid(self.up(torch.relu(self.down(self.pool(x)))))


class Gated(nn.Module):
    """HardSwish, a gate, PReLU with a slope for each channel, AvgPool, GELU."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.hard, self.gate = nn.Conv2d(1, 16, 3, padding=1), nn.Hardswish(), Gate(16)
        self.strided, self.slopes = nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.PReLU(16)
        self.pool, self.gelu = nn.AvgPool2d(2), nn.GELU()
        self.hidden, self.linear = nn.Linear(16 * 2 * 2, 10), nn.Linear(10, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        x = self.gate(self.hard(self.stem(x)))
        x = self.pool(self.slopes(self.strided(x)))
        return self.linear(self.gelu(self.hidden(x.flatten(1))))


class Mixed(nn.Module):
    """Pad, LeakyReLU, Split, Tanh and SiLU, groups, Concat, Sub, MaxPool, a dilated Conv1d, a mean, Softmax."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.leaky = nn.Conv2d(1, 16, 3, padding=1), nn.LeakyReLU(0.125)
        self.left, self.right = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1, groups=2)
        self.pool, self.rows = nn.MaxPool2d(2, 1, 1), nn.Conv1d(16, 16, 3, padding=2, dilation=2)
        self.linear = nn.Linear(16, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Probabilities [N, 10] for images [N, 1, 8, 8]."""
        x = self.leaky(self.stem(functional.pad(x, (0, 1, 1, 0))))
        left, right = x.chunk(2, 1)
        parts = torch.tanh(self.left(left)), functional.silu(self.right(right))
        x = self.pool(torch.cat(parts, 1) - x)
        return torch.softmax(self.linear(self.rows(x.flatten(2)).mean(2)), 1)
