"""Fake quantization by torch's own operators, exported by TorchScript and by dynamo."""

from __future__ import annotations

import onnx
import torch
from digits import HERE, Branches, data, finish, power_of_two, train
from torch import Tensor, nn
from torch.nn import functional


class Quantizer(nn.Module):
    """Measures until `freeze`, then rounds per tensor; weights per output channel if asked to."""

    def __init__(self, *, channels: bool = False) -> None:
        super().__init__()
        self.channels, self.largest, self.scale = channels, torch.zeros(()), None

    def freeze(self) -> None:
        """Choose the scales."""
        self.scale = torch.tensor([power_of_two(value) for value in self.largest.reshape(-1).tolist()])

    def forward(self, x: Tensor) -> Tensor:
        """Fake quantization."""
        if self.scale is None:
            values = x.detach().abs().flatten(1).amax(1) if self.channels else x.detach().abs().max()
            self.largest = values if self.channels else torch.maximum(self.largest, values)
            return x
        if self.channels:
            zero = torch.zeros(len(self.scale), dtype=torch.int32)
            return torch.fake_quantize_per_channel_affine(x, self.scale, zero, 0, -128, 127)
        return torch.fake_quantize_per_tensor_affine(x, float(self.scale), 0, -128, 127)


class Quantized(Branches):
    """The network with quantizers of input, weights, activations and logits; the branches share one scale."""

    def __init__(self, *, channels: bool) -> None:
        super().__init__()
        self.q = nn.ModuleDict({name: Quantizer() for name in ("input", "hidden", "parts", "logits")})
        layers = ("stem", "wide", "narrow", "linear")
        self.w = nn.ModuleDict({name: Quantizer(channels=channels) for name in layers})

    def conv(self, name: str, x: Tensor) -> Tensor:
        """A layer with its weights quantized."""
        layer = getattr(self, name)
        return functional.conv2d(x, self.w[name](layer.weight), layer.bias, padding=layer.padding)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        x = self.pool(self.q["hidden"](self.relu(self.conv("stem", self.q["input"](x)))))
        parts = self.relu_wide(self.conv("wide", x)), self.relu_narrow(self.conv("narrow", x))
        flat = torch.cat([self.q["parts"](part) for part in parts], 1).flatten(1)
        return self.q["logits"](functional.linear(flat, self.w["linear"](self.linear.weight), self.linear.bias))


def export(model: nn.Module, name: str, *, dynamo: bool) -> None:
    """NAME.onnx for a batch of 1, without the exporter's notes on source files."""
    path = HERE / f"{name}.onnx"
    with torch.no_grad():
        torch.onnx.export(
            model,
            (torch.zeros(1, 1, 8, 8),),
            path,
            input_names=["input"],
            output_names=["logits"],
            opset_version=18,
            dynamo=dynamo,
            external_data=False,
        )
    proto = onnx.load(path)
    for message in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del message.metadata_props[:]
    for node in proto.graph.node:
        node.doc_string = ""
    path.write_bytes(proto.SerializeToString(deterministic=True))


def main() -> None:
    """Float training, measuring, quantization-aware training and export, per tensor and per channel."""
    x, y, x_test, y_test = data()
    for channels in (False, True):
        torch.manual_seed(1)
        model = Quantized(channels=channels)
        train(model, x, y, 15, 3e-3)
        model(x)
        for quantizer in (*model.q.values(), *model.w.values()):
            quantizer.freeze()
        print({name: float(quantizer.scale) for name, quantizer in model.q.items()})
        train(model, x, y, 5, 5e-4)
        model.eval()
        exporters = {"torchscript": False} if channels else {"torchscript": False, "dynamo": True}
        for exporter, dynamo in exporters.items():
            name = f"torch_{exporter}{'_per_channel' if channels else ''}"
            export(model, name, dynamo=dynamo)
            finish(name, model, x_test, y_test)


if __name__ == "__main__":
    main()
