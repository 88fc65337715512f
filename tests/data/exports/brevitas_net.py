"""Quantization-aware training with Brevitas' fixed-point quantizers, exported as QCDQ and as QONNX."""

from __future__ import annotations

from pathlib import Path

import numpy as np
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
from digits import HERE, ROWS, data, finish, train
from qonnx.core.modelwrapper import ModelWrapper
from qonnx.core.onnx_exec import execute_onnx
from qonnx.util.cleanup import cleanup_model
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


class Shortcut(nn.Module):
    """Weights of 4 bits, activations of 6: Conv, a depthwise layer beside a shortcut, a mean, Linear to reals."""

    def __init__(self) -> None:
        super().__init__()
        weight = {"weight_quant": Int8WeightPerTensorFixedPoint, "weight_bit_width": 4, "bias": True}
        narrow = {**SIGNED, "bit_width": 6}
        self.input = QuantIdentity(**SIGNED)
        self.stem, self.relu = QuantConv2d(1, 16, 3, padding=1, **weight), QuantReLU(**narrow)
        self.depthwise = QuantConv2d(16, 16, 3, padding=1, groups=16, **weight)
        self.parts, self.sum, self.mean = (QuantIdentity(**narrow) for _ in range(3))
        self.linear = QuantLinear(16, 10, **weight)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, 10] for images [N, 1, 8, 8]."""
        x = self.relu(self.stem(self.input(x)))
        x = self.sum(torch.relu(self.parts(self.depthwise(x))) + self.parts(x))
        return self.linear(self.mean(x.mean((2, 3))))


def export_qcdq_dynamo(*args: object, **options: object) -> None:
    """QCDQ by the newer exporter."""
    export_onnx_qcdq(*args, **{**options, "dynamo": True, "external_data": False})


def executed(path: Path, x: Tensor) -> np.ndarray:
    """What the Python executor of QONNX gives for the rows, one by one."""
    model = cleanup_model(ModelWrapper(str(path)))
    source, output = model.graph.input[0].name, model.graph.output[0].name
    return np.concatenate([execute_onnx(model, {source: row[None].numpy()})[output] for row in x])


def main() -> None:
    """Training with fake quantization from the first step, export in each form."""
    x, y, x_test, y_test = data()
    exporters = {"qcdq": export_onnx_qcdq, "qcdq_dynamo": export_qcdq_dynamo, "qonnx": export_qonnx}
    # What each network is written to: the name behind brevitas_, the exporter.
    files = {
        Quantized: {"qcdq": "qcdq", "qonnx": "qonnx"},
        Shortcut: {"qcdq_shortcut": "qcdq", "qcdq_dynamo": "qcdq_dynamo", "qonnx_shortcut": "qonnx"},
    }
    names = {"input_names": ["input"], "output_names": ["logits"]}
    for network, forms in files.items():
        torch.manual_seed(1)
        model = network()
        train(model, x, y, 20, 3e-3)
        model.eval()
        for suffix, form in forms.items():
            path = HERE / f"brevitas_{suffix}.onnx"
            example = torch.zeros(1, 1, 8, 8)
            exporters[form](model, args=example, export_path=str(path), dynamo=False, **names)
            strip(path)
            finish(path.stem, model, x_test, y_test)
            if form == "qonnx":
                with np.load(path.with_suffix(".npz")) as kept:
                    arrays = dict(kept)
                np.savez_compressed(path.with_suffix(".npz"), **arrays, qonnx=executed(path, x_test[:ROWS]))


def strip(path: Path) -> None:
    """Leave out the exporter's notes on source files."""
    proto = onnx.load(path)
    for message in (proto, proto.graph, *proto.graph.node, *proto.graph.value_info, *proto.graph.initializer):
        del message.metadata_props[:]
    for node in proto.graph.node:
        node.doc_string = ""
    path.write_bytes(proto.SerializeToString(deterministic=True))


if __name__ == "__main__":
    main()
