"""Train, quantize and export the digits network: writes digits.onnx and digits.npz beside this file.

Needs torch, onnxscript and scikit-learn (`pip install -e '.[qat]'`); takes under a minute, and the seed is fixed.
Input, weights and activations are quantized as q * 2^-e with q in -128..127; biases stay float.
"""

from __future__ import annotations

import math
import random
from pathlib import Path

import numpy as np
import onnx
import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch import Tensor, nn
from torch.nn import functional

SEED = 1
HELD_OUT = 360
FLOAT_EPOCHS, QUANTIZED_EPOCHS = 30, 15
HERE = Path(__file__).parent


class Quantizer(nn.Module):
    """Measures the range of what passes until `freeze`, and rounds to q * 2^-exponent from then on."""

    def __init__(self) -> None:
        super().__init__()
        self.exponent: int | None = None
        self.largest = 0.0

    def freeze(self) -> None:
        """Choose the largest exponent with which every measured value fits into int8."""
        self.exponent = math.floor(math.log2(127 / self.largest))

    def forward(self, x: Tensor) -> Tensor:
        """Fake quantization with gradients passed straight through inside the range."""
        if self.exponent is None:
            self.largest = max(self.largest, float(x.detach().abs().max()))
            return x
        return torch.fake_quantize_per_tensor_affine(x, 2.0**-self.exponent, 0, -128, 127)


class Digits(nn.Module):
    """Conv-ReLU-MaxPool, Conv-ReLU-MaxPool, Flatten, Linear for images of 8x8."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, 3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, 3, padding=1)
        self.linear = nn.Linear(32 * 2 * 2, 10)
        names = ("input", "conv1_weight", "conv1", "conv2_weight", "conv2", "linear_weight")
        self.quantizers = nn.ModuleDict({name: Quantizer() for name in names})

    def freeze(self) -> None:
        """End the measuring in every quantizer."""
        for quantizer in self.quantizers.values():
            quantizer.freeze()

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        q = self.quantizers
        x = q["input"](x)
        x = functional.conv2d(x, q["conv1_weight"](self.conv1.weight), self.conv1.bias, padding=1)
        x = functional.max_pool2d(q["conv1"](functional.relu(x)), 2)
        x = functional.conv2d(x, q["conv2_weight"](self.conv2.weight), self.conv2.bias, padding=1)
        x = functional.max_pool2d(q["conv2"](functional.relu(x)), 2)
        return functional.linear(x.flatten(1), q["linear_weight"](self.linear.weight), self.linear.bias)


def train(model: Digits, x: Tensor, y: Tensor, epochs: int, rate: float) -> None:
    """Adam on shuffled batches of 64."""
    optimizer = torch.optim.Adam(model.parameters(), rate)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(64):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()


def accuracy(model: Digits, x: Tensor, y: Tensor) -> float:
    """The share of rows whose largest output is the label."""
    with torch.no_grad():
        return float((model(x).argmax(1) == y).float().mean())


def export(model: Digits, path: Path) -> None:
    """Write the model for a batch of 1, without the exporter's notes on source files."""
    # torch.export traces fake_quantize neither with gradients nor with an open batch.
    with torch.no_grad():
        program = torch.onnx.export(
            model,
            (torch.zeros(1, 1, 8, 8),),
            input_names=["input"],
            output_names=["logits"],
            opset_version=18,
            dynamo=True,
            verbose=False,
        )
    assert program is not None
    proto = program.model_proto
    proto.graph.name = path.stem
    for message in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del message.metadata_props[:]
    onnx.checker.check_model(proto, full_check=True)
    path.write_bytes(proto.SerializeToString(deterministic=True))


def main() -> None:
    """Float training, measuring, quantization-aware training, export."""
    random.seed(SEED)
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    torch.set_num_threads(1)
    images, labels = load_digits(return_X_y=True)
    # Pixels are whole numbers 0..16.
    pixels = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    split = train_test_split(pixels, labels, test_size=HELD_OUT, stratify=labels, random_state=SEED)
    x, x_test, y, y_test = (torch.from_numpy(array) for array in split)
    model = Digits()
    train(model, x, y, FLOAT_EPOCHS, 2e-3)
    print(f"float      {accuracy(model, x_test, y_test):.2%}")
    # The last epochs measured ranges of weights that are gone: measure again.
    for quantizer in model.quantizers.values():
        quantizer.largest = 0.0
    accuracy(model, x, y)
    model.freeze()
    print("exponents ", {name: quantizer.exponent for name, quantizer in model.quantizers.items()})
    train(model, x, y, QUANTIZED_EPOCHS, 5e-4)
    model.eval()
    print(f"quantized  {accuracy(model, x_test, y_test):.2%}")
    export(model, HERE / "digits.onnx")
    np.savez_compressed(HERE / "digits.npz", x=x_test.numpy(), y=y_test.numpy().astype(np.uint8))


if __name__ == "__main__":
    main()
