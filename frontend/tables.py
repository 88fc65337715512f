"""Evaluate an elementwise subgraph for each code of an 8-bit tensor, by onnxruntime itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper

from ..compiler import numerics
from ..compiler.ir import Array, QuantParams, TensorType
from ..compiler.ops.table import CODES
from .constants import plain_attribute
from .onnx_model import OnnxNode
from .quantizer import Quantizer

# The newest IR version that every onnxruntime with our opsets takes.
IR_VERSION = 10


def table_of(
    nodes: Sequence[OnnxNode],
    source: str,
    type_: TensorType,
    constants: Mapping[str, Array],
    quantizer: Quantizer,
    opset: int,
    axis: int | None,
) -> Array:
    """The stored result for each code of `source`, which has that type, from the smallest code on: [256].

    With an axis there is one such row for each of its indices: [C, 256]. Raises whatever onnxruntime raises for nodes
    that it cannot run.
    """
    assert type_.params is not None
    low, high = numerics.dtype_range(type_.dtype)
    codes = np.arange(low, high + 1).astype(type_.numpy)
    reals = numerics.dequantize(codes, TensorType(type_.dtype, codes.shape, type_.params))
    numbers = {
        name: array.reshape(1) if array.size == 1 and array.ndim else array for name, array in constants.items()
    }
    if axis is not None:
        # The codes lie along the batch.
        shape = [CODES] + [1] * (len(type_.shape) - 1)
        reals = np.repeat(reals.reshape(shape), type_.shape[axis], axis)
    (stored,) = _session(nodes, source, reals.ndim, numbers, quantizer, opset).run(None, {source: reals})
    if stored.shape != reals.shape:
        raise ValueError(f"{reals.shape} codes became {stored.shape}")
    out: Array = np.clip(stored, quantizer.qmin, quantizer.qmax).astype(stored.dtype)
    return out if axis is None else np.ascontiguousarray(out.reshape(CODES, -1).T)


def _session(
    nodes: Sequence[OnnxNode],
    source: str,
    rank: int,
    constants: Mapping[str, Array],
    quantizer: Quantizer,
    opset: int,
) -> ort.InferenceSession:
    """The nodes and the quantizer as a model of their own; the optimizer is off, as in the oracle."""
    protos = [
        helper.make_node(
            node.op,
            node.inputs,
            node.outputs,
            domain=node.domain,
            **{key: plain_attribute(value) for key, value in node.attrs.items()},
        )
        for node in nodes
    ]
    scale, zero_point, result = (f"{nodes[-1].output}.{word}" for word in ("scale", "zero_point", "stored"))
    protos.append(helper.make_node("QuantizeLinear", [nodes[-1].output, scale, zero_point], [result]))
    params: QuantParams = quantizer.params
    stored = np.int8 if quantizer.dtype == "i8" else np.uint8
    initializers = {**constants, scale: np.float32(params.scale[0]), zero_point: stored(params.zero_point[0])}
    graph = helper.make_graph(
        protos,
        "table",
        [helper.make_tensor_value_info(source, TensorProto.FLOAT, [None] * rank)],
        [helper.make_tensor_value_info(result, helper.np_dtype_to_tensor_dtype(np.dtype(stored)), [None] * rank)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in initializers.items()],
    )
    opsets = [helper.make_opsetid("", opset)]
    opsets += [helper.make_opsetid(domain, 1) for domain in sorted({node.domain for node in nodes} - {""})]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION)
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    options.log_severity_level = 3
    return ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
