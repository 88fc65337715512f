"""onnxruntime as the oracle: optimizer off, one thread, one row at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import onnx
import onnxruntime as ort

from ..compiler import numerics
from ..compiler.errors import InputError
from ..compiler.ir import Array, QuantParams, TensorType


@dataclass(frozen=True)
class Oracle:
    """The ONNX model behind a compiled one.

    `qdq` is the model with operators on stored integers written out: only there have their results reals that can be
    looked at. `tensors` maps values of the IR to the tensors of `qdq` whose reals they denote. `input_params` are
    quantizers that were put on inputs at compile time: onnxruntime is then fed the quantized and dequantized input.
    """

    model: onnx.ModelProto
    tensors: Mapping[str, str] = field(default_factory=dict)
    input_params: Mapping[str, QuantParams] = field(default_factory=dict)
    qdq: onnx.ModelProto | None = None

    def session(self, extra: Sequence[str] = ()) -> OracleSession:
        """An onnxruntime session that also returns the tensors named in `extra`."""
        model = self.model
        if extra:
            model = onnx.ModelProto()
            model.CopyFrom(self.qdq or self.model)
            present = {output.name for output in model.graph.output}
            for name in dict.fromkeys(extra):
                if name not in present:
                    model.graph.output.append(onnx.ValueInfoProto(name=name))
        return OracleSession(self, model)


class OracleSession:
    """One onnxruntime session; usable from several threads."""

    def __init__(self, oracle: Oracle, model: onnx.ModelProto) -> None:
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        options.intra_op_num_threads = 1
        options.log_severity_level = 3
        if any(node.op_type.startswith(("QLinear", "QGemm")) for node in model.graph.node):
            # Integer kernels saturate pairs of products at 16 bits on x86-64 without VNNI.
            options.add_session_config_entry("session.x64quantprecision", "1")
        try:
            self._session = ort.InferenceSession(
                model.SerializeToString(), options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's exceptions have no common class but this
            what = f"onnxruntime cannot load the model: {str(error).splitlines()[0]}"
            raise InputError(what, "check the file with onnx.checker, or export it again") from error
        self._oracle = oracle
        self.outputs = [output.name for output in self._session.get_outputs()]

    def run(self, arrays: Mapping[str, Array], row: int) -> dict[str, Array]:
        """All outputs for one row of the input arrays, [1, ...] each."""
        feed = {name: self._fed(name, array[row : row + 1]) for name, array in arrays.items()}
        return dict(zip(self.outputs, self._session.run(None, feed), strict=True))

    def _fed(self, name: str, array: Array) -> Array:
        params = self._oracle.input_params.get(name)
        if params is None:
            return array
        type_ = TensorType("i8", array.shape, params)
        return numerics.dequantize(numerics.quantize(array, type_, -128, 127), type_)


def max_difference(a: Array, b: Array) -> float:
    """The largest absolute difference; infinite where one is NaN, or shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    with np.errstate(invalid="ignore"):
        difference = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return float("inf") if np.isnan(difference).any() else float(difference.max(initial=0.0))
