"""onnxruntime's quantize_static with every scale set to a power of two, as QDQ and as QOperator."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from digits import HERE, Branches, data, finish, power_of_two, train
from networks import Mixed, Residual
from onnx import numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static
from onnxruntime.quantization.shape_inference import quant_pre_process
from torch import Tensor, nn


class Reader(CalibrationDataReader):
    """Rows for calibration."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = iter(rows)

    def get_next(self) -> dict[str, np.ndarray] | None:
        """One row, until there are none."""
        row = next(self.rows, None)
        return None if row is None else {"input": row[None].numpy()}


class Session(nn.Module):
    """A model in onnxruntime with its optimizer off."""

    def __init__(self, model: onnx.ModelProto | str) -> None:
        super().__init__()
        options = onnxruntime.SessionOptions()
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.add_session_config_entry("session.x64quantprecision", "1")
        source = model if isinstance(model, str) else model.SerializeToString()
        self.session = onnxruntime.InferenceSession(source, options, providers=["CPUExecutionProvider"])

    def forward(self, x: Tensor) -> Tensor:
        """The first output."""
        return torch.from_numpy(self.session.run(None, {"input": x.numpy()})[0])


def largest_values(model: onnx.ModelProto, rows: Tensor) -> dict[str, float]:
    """The largest absolute value of every tensor, weights included."""
    model = onnx.shape_inference.infer_shapes(model)
    names = ["input", *(name for node in model.graph.node for name in node.output)]
    largest = {tensor.name: float(np.abs(numpy_helper.to_array(tensor)).max()) for tensor in model.graph.initializer}
    del model.graph.output[:]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names[1:])
    session = Session(model).session
    for row in rows:
        for name, array in zip(names, (row.numpy(), *session.run(None, {"input": row[None].numpy()})), strict=True):
            largest[name] = max(largest.get(name, 0.0), float(np.abs(array).max()))
    return largest


def quantize(model: nn.Module, name: str, form: QuantFormat, x: Tensor) -> nn.Module:
    """NAME.onnx, and the model to run it."""
    path = HERE / f"{name}.onnx"
    with tempfile.TemporaryDirectory() as folder:
        exported, prepared = Path(folder, "exported.onnx"), Path(folder, "float.onnx")
        names = {"input_names": ["input"], "output_names": ["logits"]}
        torch.onnx.export(model.eval(), (x[:1],), exported, opset_version=18, dynamo=False, **names)
        quant_pre_process(exported, prepared)
        values = largest_values(onnx.load(prepared), x)
        # Biases are left out: they get int32 and the product of two scales.
        vectors = {tensor.name for tensor in onnx.load(prepared).graph.initializer if len(tensor.dims) == 1}
        scales = {
            key: np.array(power_of_two(value), np.float32)
            for key, value in values.items()
            if value and key not in vectors
        }
        quantize_static(
            prepared,
            path,
            Reader(x),
            quant_format=form,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "TensorQuantOverrides": {
                    key: [{"scale": scale, "zero_point": np.array(0, np.int8)}] for key, scale in scales.items()
                },
                "ActivationSymmetric": True,
            },
        )
    return Session(str(path))


def main() -> None:
    """Float training, then both formats of each network."""
    x, y, x_test, y_test = data()
    for suffix, network in (("", Branches), ("_residual", Residual), ("_mixed", Mixed)):
        torch.manual_seed(1)
        model = network()
        train(model, x, y, 15, 3e-3)
        for form in (QuantFormat.QDQ, QuantFormat.QOperator):
            name = f"onnxruntime_{form.name.lower()}{suffix}"
            finish(name, quantize(model, name, form, x[:200]), x_test, y_test)


if __name__ == "__main__":
    main()
