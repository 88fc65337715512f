"""Evaluate one ONNX node on constant operands, by onnx's own reference evaluator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from ..compiler.ir import Array

CONSTANT_VALUES: Mapping[str, type[np.generic]] = {
    "value_float": np.float32,
    "value_floats": np.float32,
    "value_int": np.int64,
    "value_ints": np.int64,
}


def evaluate(
    op: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attrs: Mapping[str, Any],
    values: Mapping[str, Array],
    opset: int,
) -> dict[str, Array]:
    """The outputs of a node by name; empty when the evaluator cannot run it."""
    if op == "Identity":
        return {outputs[0]: values[inputs[0]]}
    if op == "Constant":
        return _constant(outputs[0], attrs)
    try:
        model = _one_node_model(op, inputs, outputs, attrs, values, opset)
        with np.errstate(all="ignore"):
            results = ReferenceEvaluator(model).run(None, dict(values))
    except Exception:
        # The evaluator raises whatever its NumPy code does; who needs this tensor says that it is not constant.
        return {}
    return {name: np.asarray(value) for name, value in zip(filter(None, outputs), results, strict=True)}


def _one_node_model(
    op: str,
    inputs: Sequence[str],
    outputs: Sequence[str],
    attrs: Mapping[str, Any],
    values: Mapping[str, Array],
    opset: int,
) -> onnx.ModelProto:
    node = helper.make_node(op, inputs, outputs, **{key: plain_attribute(value) for key, value in attrs.items()})
    untyped = helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
    graph = helper.make_graph(
        [node],
        "constant",
        [helper.make_value_info(name, untyped) for name in values],
        [helper.make_value_info(name, untyped) for name in outputs if name],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])


def _constant(output: str, attrs: Mapping[str, Any]) -> dict[str, Array]:
    if "value" in attrs:
        return {output: attrs["value"]}
    key = next((key for key in CONSTANT_VALUES if key in attrs), None)
    return {} if key is None else {output: np.array(attrs[key], dtype=CONSTANT_VALUES[key])}


def plain_attribute(value: Any) -> Any:  # noqa: ANN401
    """An attribute as helper.make_node takes it."""
    if isinstance(value, np.ndarray):
        return numpy_helper.from_array(value)
    return list(value) if isinstance(value, tuple) else value
