"""Import node by node: inputs, operators through the importers' table, outputs."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import onnx
from onnx import TensorProto

from ..compiler.builder import append
from ..compiler.errors import Problem
from ..compiler.ir import Graph, QuantParams, TensorType
from .context import MAX_ELEMENTS, SIZE_ADVICE, Context, ImporterError
from .importers import IMPORTERS
from .onnx_model import MARKERS, OnnxModel, OnnxNode, element_name
from .quantizer import Quantizer

INPUT_DTYPES: Mapping[int, str] = {TensorProto.FLOAT: "f32", TensorProto.INT8: "i8", TensorProto.UINT8: "u8"}
# Scales up to 2^+-64 are far beyond any use and far within float32.
MAX_EXPONENT = 64
UNSUPPORTED_ADVICE = "Write the layer with supported operators, or leave it to the code around the model."
# What helps with operators that mostly are part of a quantizer in a form that is not recognized.
HINTS: Mapping[str, str] = {
    "Round": "A fake quantizer is recognized as Mul, Round, Clip (or Max and Min), Div by one constant; write it so.",
    "QuantizeLinear": "It is recognized together with the DequantizeLinear that follows it; export both.",
    "BatchNormalization": "Fold it into the convolution before quantization, as exporters do in evaluation mode.",
}


@dataclass(frozen=True)
class Assembled:
    """The graph, the ONNX tensor of each IR value, quantizers put on inputs, and inputs that lack one."""

    graph: Graph
    tensors: Mapping[str, str]
    input_params: Mapping[str, QuantParams]
    unquantized_inputs: tuple[str, ...]


def assemble(model: OnnxModel, graph: Graph, exponents: Mapping[str, int], problems: list[Problem]) -> Assembled:
    """The graph of a model whose quantizers have become markers; problems are appended."""
    ctx = Context(model, graph, problems)
    input_params = _import_inputs(ctx, exponents)
    for node in model.live_nodes():
        _import_node(ctx, node)
    # The first tensor that became a value is the one that names it.
    tensors = {value: tensor for tensor, value in reversed(ctx.values.items())}
    if not any(not problem.warning for problem in problems):
        assert not ctx.poisoned, f"a problem of {sorted(ctx.poisoned)} was not noted"
        _finish_outputs(ctx, tensors)
        graph.remove_unused()
    return Assembled(graph, tensors, input_params, tuple(ctx.unquantized_inputs))


def _import_inputs(ctx: Context, exponents: Mapping[str, int]) -> dict[str, QuantParams]:
    """Declare the graph's inputs, and quantize those for which the options give an exponent."""
    _check_exponents(ctx, exponents)
    params = {}
    for name in ctx.model.inputs:
        info = ctx.model.types[name]
        shape, dtype = info.static_shape, INPUT_DTYPES.get(info.element)
        if dtype is None:
            found = element_name(info.element)
            what = f"the input is {found}, expected float32, int8 or uint8"
            ctx.problems.append(Problem(what, "Export the model with a float32 input.", tensor=name))
        elif shape is not None and min(shape, default=1) < 1:
            what = f"the input has shape {list(shape)}, expected sizes of 1 or more"
            ctx.problems.append(Problem(what, "Export the model with a real input shape.", tensor=name))
        elif shape is not None and math.prod(shape) > MAX_ELEMENTS:
            what = f"the input has shape {list(shape)}, expected at most {MAX_ELEMENTS:,} elements"
            ctx.problems.append(Problem(what, SIZE_ADVICE, tensor=name))
        if dtype is None or shape is None or min(shape, default=1) < 1 or math.prod(shape) > MAX_ELEMENTS:
            ctx.poisoned.add(name)
            continue
        ctx.graph.inputs[name] = TensorType(dtype, shape)
        ctx.values[name] = name
        exponent = exponents.get(name, exponents.get(""))
        if exponent is not None and dtype == "f32":
            params[name] = _quantize_input(ctx, name, exponent)
    return params


def _check_exponents(ctx: Context, exponents: Mapping[str, int]) -> None:
    for name, exponent in exponents.items():
        if name and name not in ctx.model.inputs:
            known = ", ".join(f'"{known}"' for known in ctx.model.inputs)
            what = f"--input-exponent {name}={exponent}: there is no such input; the inputs are {known}"
            ctx.problems.append(Problem(what, "Use the name of an input, or give the exponent alone for all inputs."))
        if abs(exponent) > MAX_EXPONENT:
            what = f"the input exponent is {exponent}, expected -{MAX_EXPONENT} to {MAX_EXPONENT}"
            advice = "Give e of the scale 2^-e, for instance 5 for inputs from -4 to 3.97."
            ctx.problems.append(Problem(what, advice, tensor=name))


def _quantize_input(ctx: Context, name: str, exponent: int) -> QuantParams:
    quantizer = Quantizer.power_of_two(exponent)
    clamp = {"qmin": quantizer.qmin, "qmax": quantizer.qmax}
    value = ctx.free_name(f"{name}.q")
    append(ctx.graph, "quantize", value, [name], dtype=quantizer.dtype, params=quantizer.params, **clamp)
    ctx.values[name] = value
    ctx.input_quantizers[value] = quantizer
    return quantizer.params


def _import_node(ctx: Context, node: OnnxNode) -> None:
    """One node through its importer; behind a problem its outputs are poisoned and the import goes on."""
    if node.key == f"{MARKERS}.Poison":
        ctx.poison(node)
        return
    if ctx.model.constant(node.output) is not None:
        # Folded by whoever takes the result: weights, shapes, scales.
        return
    importer = IMPORTERS.get(node.key)
    if importer is None:
        ctx.problems.append(_unsupported(node))
        ctx.poison(node)
        return
    before = len(ctx.graph.nodes)
    try:
        importer.run(ctx, node)
    except ImporterError as fault:
        if fault.problem is not None:
            ctx.problems.append(fault.problem)
        ctx.poison(node)
    new = islice(reversed(ctx.graph.nodes.values()), max(len(ctx.graph.nodes) - before, 0))
    strangers = {made.op for made in new} - {*importer.makes, "reshape"}
    assert not strangers, f"the row of {importer.op} does not say that it makes {strangers}"


def _unsupported(node: OnnxNode) -> Problem:
    known = [name for name in IMPORTERS if not name.startswith(f"{MARKERS}.")]
    # Only a name that ONNX has not is misspelt.
    close = [] if onnx.defs.has(node.op, node.domain) else difflib.get_close_matches(node.op, known, 3, 0.5)
    like = f"; supported and of a like name: {', '.join(close)}" if close else ""
    what = f"the operator {node.key} is not supported, expected one of those that `p4c ops` lists{like}"
    return node.problem(what, HINTS.get(node.key, UNSUPPORTED_ADVICE), node.output)


def _finish_outputs(ctx: Context, tensors: dict[str, str]) -> None:
    """Let the graph's outputs have their ONNX names and, where ONNX gives reals, be reals."""
    for name in ctx.model.outputs:
        if name not in ctx.values:
            problem = Problem("the output does not depend on any input", "Remove the output.", tensor=name)
            ctx.problems.append(problem)
            continue
        output = _output(ctx, name, tensors)
        ctx.graph.outputs.append(output)


def _output(ctx: Context, name: str, tensors: dict[str, str]) -> str:
    graph, value = ctx.graph, ctx.values[name]
    type_ = graph.type_of(value)
    if type_.quantized and ctx.model.types[name].element == TensorProto.FLOAT:
        if value == name:
            value = _rename(ctx, name, ctx.free_name(f"{name}.q"), tensors)
        append(graph, "dequantize", name, [value], dtype="f32")
        tensors[name] = name
        return name
    if value == name:
        return name
    if value in graph.nodes and value not in graph.outputs:
        return _rename(ctx, value, name, tensors)
    # A second name of another output or of an input: a reshape to the same shape is its copy.
    append(graph, "reshape", name, [value], dtype=type_.dtype, params=type_.params, shape=type_.shape)
    tensors[name] = name
    return name


def _rename(ctx: Context, old: str, new: str, tensors: dict[str, str]) -> str:
    """Give a node another name, in place."""
    graph = ctx.graph
    made = graph.nodes[old].with_(name=new)
    nodes = (made if name == old else node for name, node in graph.nodes.items())
    graph.nodes = {node.name: node for node in nodes}
    graph.replace_uses(old, new)
    ctx.values = {tensor: (new if value == old else value) for tensor, value in ctx.values.items()}
    tensors[new] = tensors.pop(old)
    return new
