"""One static shape for every tensor: batch 1, other open sizes from the options, the rest inferred by ONNX."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import onnx
from onnx import shape_inference

from ..compiler.errors import Problem

ADVICE = "Give its size with --input-dim {name}=SIZE, or export the model with a fixed shape."


@dataclass
class _Sizes:
    """The sizes that the options give, and what came of them."""

    given: Mapping[str, int]
    symbols: dict[str, int]
    used: set[str] = field(default_factory=set)
    overridden: bool = False


def fix_dimensions(model: onnx.ModelProto, sizes: Mapping[str, int], problems: list[Problem]) -> None:
    """Write a size into every open axis of the inputs; an open axis that nothing gives is a problem."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    state = _Sizes(sizes, {name: size for name, size in sizes.items() if ":" not in name})
    for value in inputs:
        _fix_input(value, state, problems)
    for name in sorted(set(sizes) - state.used):
        known = ", ".join(f'"{value.name}"' for value in inputs)
        what = f"--input-dim {name}: no input has that dimension; the inputs are {known}"
        problems.append(Problem(what, "Use the symbol that the model gives the dimension, or INPUT:AXIS."))
    _update_declared(model, state)


def _fix_input(value: onnx.ValueInfoProto, state: _Sizes, problems: list[Problem]) -> None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        what = "the input has no shape, not even a number of axes"
        problems.append(Problem(what, "Export the model with a fixed input shape.", tensor=value.name))
        return
    for axis, dim in enumerate(tensor.shape.dim):
        key = f"{value.name}:{axis}"
        fault = _fix_axis(dim, key, axis, state)
        if fault:
            advice = ADVICE.format(name=dim.dim_param or key)
            problems.append(Problem(f"axis {axis} of the input {fault}", advice, tensor=value.name))
        elif axis == 0 and len(tensor.shape.dim) > 1 and dim.dim_value != 1:
            what = f"the batch (axis 0 of the input) is {dim.dim_value}, expected 1: p4c compiles for one sample"
            advice = f"Export the model with batch 1 or a dynamic batch, or try --input-dim {key}=1."
            problems.append(Problem(what, advice, tensor=value.name))


def _fix_axis(dim: onnx.TensorShapeProto.Dimension, key: str, axis: int, state: _Sizes) -> str:
    """Give one axis its size; returns what is wrong with it, or "" when it has one."""
    symbol = dim.dim_param
    state.used.update(name for name in (key, symbol) if name in state.given)
    size = state.given.get(key, state.symbols.get(symbol) if symbol else None)
    if size is None and dim.HasField("dim_value"):
        return ""
    if size is None and axis > 0:
        open_name = f'"{symbol}"' if symbol else "unnamed"
        return f"is dynamic ({open_name}), expected a fixed size"
    size = 1 if size is None else size
    if size < 1:
        return f"is given the size {size}, expected 1 or above"
    state.overridden |= dim.HasField("dim_value") and dim.dim_value != size
    dim.dim_value = size
    if symbol:
        state.symbols[symbol] = size
    return ""


def _update_declared(model: onnx.ModelProto, state: _Sizes) -> None:
    """Write known symbols into the declared shapes of the other tensors, and leave the rest to inference."""
    for value in (*model.graph.value_info, *model.graph.output):
        if state.overridden:
            # Sizes that were fixed may follow from the one that was overridden.
            value.type.tensor_type.ClearField("shape")
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in state.symbols:
                dim.dim_value = state.symbols[dim.dim_param]
            elif dim.dim_param:
                dim.ClearField("dim_param")


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with inferred shapes, as far as onnx can tell them."""
    try:
        return shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except shape_inference.InferenceError:
        # Contradictions in the model surface where the IR infers its own shapes, with the node's name.
        return model
