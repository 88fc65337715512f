"""One static shape for every tensor: batch 1, other open sizes from the options, the rest inferred by ONNX."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import shape_inference

from ..compiler.errors import Problem

ADVICE = "Give its size with --input-dim {name}=SIZE, or export the model with a fixed shape."


def fix_dimensions(model: onnx.ModelProto, sizes: Mapping[str, int], problems: list[Problem]) -> None:
    """Write a size into every open axis of the inputs; an open axis that nothing gives is a problem."""
    initializers = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in initializers]
    symbols = {name: size for name, size in sizes.items() if ":" not in name}
    used: set[str] = set()
    for value in inputs:
        _fix_input(value, sizes, symbols, used, problems)
    for name in sorted(set(sizes) - used):
        known = ", ".join(f'"{value.name}"' for value in inputs)
        what = f"--input-dim {name}: no input has that dimension; the inputs are {known}"
        problems.append(Problem(what, "Use the symbol that the model gives the dimension, or INPUT:AXIS."))
    _substitute(model, symbols)


def _fix_input(
    value: onnx.ValueInfoProto,
    sizes: Mapping[str, int],
    symbols: dict[str, int],
    used: set[str],
    problems: list[Problem],
) -> None:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        what = "the input has no shape, not even a number of axes"
        problems.append(Problem(what, "Export the model with a fixed input shape.", tensor=value.name))
        return
    for axis, dim in enumerate(tensor.shape.dim):
        key, symbol = f"{value.name}:{axis}", dim.dim_param
        used.update(name for name in (key, symbol) if name in sizes)
        size = sizes.get(key, symbols.get(symbol) if symbol else None)
        if size is None and not dim.HasField("dim_value"):
            if axis > 0:
                open_name = f'"{symbol}"' if symbol else "unnamed"
                what = f"axis {axis} of the input is dynamic ({open_name}), expected a fixed size"
                problems.append(Problem(what, ADVICE.format(name=symbol or key), tensor=value.name))
                continue
            size = 1
        if size is not None and size < 1:
            what = f"axis {axis} of the input is given the size {size}, expected 1 or above"
            problems.append(Problem(what, ADVICE.format(name=symbol or key), tensor=value.name))
            continue
        if size is not None:
            dim.dim_value = size
            if symbol:
                symbols[symbol] = size
        if axis == 0 and len(tensor.shape.dim) > 1 and dim.dim_value != 1:
            what = (
                f"the batch (axis 0 of the input) is {dim.dim_value}, expected 1: p4c compiles one sample at a time"
            )
            advice = f"Export the model with batch 1 or a dynamic batch, or try --input-dim {key}=1."
            problems.append(Problem(what, advice, tensor=value.name))


def _substitute(model: onnx.ModelProto, symbols: Mapping[str, int]) -> None:
    """Write known symbols into the declared shapes of the other tensors, and leave unknown ones to inference."""
    for value in (*model.graph.value_info, *model.graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param in symbols:
                dim.dim_value = symbols[dim.dim_param]
            elif dim.dim_param:
                dim.ClearField("dim_param")


def infer_shapes(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model with inferred shapes, as far as onnx can tell them."""
    try:
        return shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except shape_inference.InferenceError:
        # Contradictions in the model surface where the IR infers its own shapes, with the node's name.
        return model
