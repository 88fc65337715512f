"""The frontend on one page: from an ONNX file to the IR graph, or to all problems of the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import onnx

from ..compiler.errors import ModelError, Problem
from ..compiler.ir import Graph, QuantParams, TensorType
from .assemble import Assembled, assemble
from .forms import write_out
from .load import load_model, name_nodes
from .onnx_model import OnnxModel
from .opset import convert_opset
from .patterns import recognize_quantizers
from .patterns.tables import recognize_tables
from .shapes import fix_dimensions, infer_shapes


@dataclass(frozen=True)
class ImportOptions:
    """What the user adds to the model.

    `input_dims` gives sizes by symbolic dimension name or "INPUT:axis"; `input_exponents` gives e of a quantizer
    with scale 2^-e by input name, the key "" standing for every input that has none.
    """

    input_dims: Mapping[str, int] = field(default_factory=dict)
    input_exponents: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Imported:
    """The graph, and the model as onnxruntime is fed it: opset converted, batch fixed.

    `qdq` is the same with all operators written out that compute on integers or quantize in their own way. `tensors`
    maps each IR value to the ONNX tensor of `qdq` whose reals it denotes. `input_params` holds the quantizers that
    the options put on inputs: onnxruntime has none there, so it must be fed the quantized and dequantized input.
    """

    graph: Graph
    model: onnx.ModelProto
    qdq: onnx.ModelProto
    warnings: tuple[Problem, ...]
    tensors: Mapping[str, str]
    input_params: Mapping[str, QuantParams]


def import_model(source: Path | bytes, options: ImportOptions = ImportOptions()) -> Imported:
    """Import an ONNX model; raises ModelError with all problems of the model."""
    problems: list[Problem] = []
    proto, qdq, result = _read(source, options, problems)
    found = tuple(dict.fromkeys(problems))
    errors = [problem for problem in found if not problem.warning]
    if errors:
        warnings = [problem for problem in found if problem.warning]
        raise ModelError(errors, file=_file(source), rest=_rest(result.graph), warnings=warnings)
    return Imported(result.graph, proto, qdq, found, result.tensors, result.input_params)


def input_types(source: Path | bytes, options: ImportOptions = ImportOptions()) -> dict[str, TensorType]:
    """The inputs that have no quantizer but need one, with their types: those that calibration is for.

    Raises ModelError only for what is no valid model; all else is left to import_model.
    """
    _, _, result = _read(source, options, [])
    return {name: result.graph.inputs[name] for name in result.unquantized_inputs}


def _read(
    source: Path | bytes, options: ImportOptions, problems: list[Problem]
) -> tuple[onnx.ModelProto, onnx.ModelProto, Assembled]:
    """The model as onnxruntime is fed it, the same as QDQ, and what was made of that; problems are appended."""
    # Load and check; what is no valid model ends here.
    proto = load_model(source)
    # Opsets below 13 are converted; onnxruntime decides what is too new.
    proto = convert_opset(proto, problems, _file(source))
    name_nodes(proto)
    # One static shape for every tensor: batch 1, other sizes from the options.
    fix_dimensions(proto, options.input_dims, problems)
    proto = infer_shapes(proto)
    # Operators on stored integers, and QONNX's quantizers, become QDQ.
    proto, qdq = write_out(proto, problems)
    # Quantizers first, in every form; constants are folded on demand, and never through a quantizer.
    model = OnnxModel(qdq)
    recognize_quantizers(model, problems)
    # What is elementwise between two of them is a function of 256 codes.
    recognize_tables(model)
    # Node by node into the IR.
    name = proto.graph.name if isinstance(source, bytes) else source.stem
    return proto, qdq, assemble(model, Graph(name), options.input_exponents, problems)


def _rest(graph: Graph) -> Graph | None:
    """What was imported of a model with problems, its outputs what no node uses; None when that is nothing."""
    rest = graph.copy()
    rest.outputs = [name for name in rest.nodes if not rest.users(name)]
    rest.remove_unused()
    return rest if rest.outputs else None


def _file(source: Path | bytes) -> str:
    return "" if isinstance(source, bytes) else str(source)
