"""Quantization-aware training with Brevitas' fixed-point quantizers, exported as QCDQ and as QONNX."""

from __future__ import annotations

import onnx
import torch
from brevitas.export import export_onnx_qcdq, export_qonnx
from brevitas.nn import QuantConv2d, QuantIdentity, QuantLinear, QuantReLU
from brevitas.quant.fixed_point import (
    Int8ActPerTensorFixedPoint,
    Int8BiasPerTensorFixedPointInternalScaling,
    Int8WeightPerTensorFixedPoint,
    Uint8ActPerTensorFixedPoint,
)
from digits import HERE, data, finish, train
from torch import Tensor, nn
from torch.nn import functional

SIGNED = {"act_quant": Int8ActPerTensorFixedPoint, "return_quant_tensor": False}
# Seven unsigned bits: uint8 in the file, with codes that fit into int8.
POSITIVE = {"act_quant": Uint8ActPerTensorFixedPoint, "bit_width": 7, "return_quant_tensor": False}
WEIGHT = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 6}
BIAS = {"bias": True, "bias_quant": Int8BiasPerTensorFixedPointInternalScaling}


class Quantized(nn.Module):
    """The network of digits.py with weights of 6 bits and activations of 7 and 8."""

    def __init__(self) -> None:
        super().__init__()
        self.input = QuantIdentity(**SIGNED)
        self.stem = QuantConv2d(1, 8, 3, padding=1, **WEIGHT, **BIAS)
        self.relu = QuantReLU(**POSITIVE)
        self.wide = QuantConv2d(8, 8, 3, padding=1, **WEIGHT, **BIAS)
        self.narrow = QuantConv2d(8, 8, 1, **WEIGHT, **BIAS)
        # One quantizer for both branches: one grid for the Concat.
        self.parts = QuantReLU(**POSITIVE)
        self.linear = QuantLinear(16 * 4 * 4, 10, **WEIGHT, **BIAS)
        self.logits = QuantIdentity(**SIGNED)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        x = functional.max_pool2d(self.relu(self.stem(self.input(x))), 2)
        flat = torch.cat([self.parts(self.wide(x)), self.parts(self.narrow(x))], 1).flatten(1)
        return self.logits(self.linear(flat))


def main() -> None:
    """Training with fake quantization from the first step, export in both forms."""
    x, y, x_test, y_test = data()
    model = Quantized()
    train(model, x, y, 20, 3e-3)
    model.eval()
    example = torch.zeros(1, 1, 8, 8)
    names = {"input_names": ["input"], "output_names": ["logits"]}
    for form, export in (("qcdq", export_onnx_qcdq), ("qonnx", export_qonnx)):
        name = f"brevitas_{form}"
        path = HERE / f"{name}.onnx"
        export(model, args=example, export_path=str(path), dynamo=False, **names)
        proto = onnx.load(path)
        for node in proto.graph.node:
            node.doc_string = ""
        path.write_bytes(proto.SerializeToString(deterministic=True))
        finish(name, model, x_test, y_test)


if __name__ == "__main__":
    main()
