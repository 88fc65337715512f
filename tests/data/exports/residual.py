"""A network with a residual, for tools that fold its BatchNormalizations: depthwise, 1x1, Add, mean, Linear."""

from __future__ import annotations

from torch import Tensor, nn


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
