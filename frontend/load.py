"""Read an ONNX file: whatever is no valid model ends here with one sentence and advice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import onnx
from google.protobuf.message import DecodeError
from onnx import checker, external_data_helper, inliner, numpy_helper

from ..compiler.errors import ModelError, Problem
from .opset import OLDEST

EXPORT_ADVICE = "Export the model again, for instance with torch.onnx.export."
DAMAGE_ADVICE = "Copy or download the file again, or export the model again."
# How files begin that people take for ONNX: first bytes, what it is, what to do.
LOOKALIKES = (
    (b"PK\x03\x04", "a zip archive, perhaps a PyTorch checkpoint", "Export it to ONNX with torch.onnx.export."),
    (b"version https://git-lfs", "a Git LFS pointer, not the model itself", "Fetch the file with `git lfs pull`."),
    (b"<", "HTML or XML", "Download the file itself instead of its web page."),
)


def load_model(source: Path | bytes) -> onnx.ModelProto:
    """The model with its external data loaded, functions inlined, and checked; raises ModelError."""
    file = "" if isinstance(source, bytes) else str(source)
    data = source if isinstance(source, bytes) else _read(source)
    model = _parse(data, file)
    _load_external_data(model, source, file)
    if model.functions:
        model = inliner.inline_local_functions(model)
    _check(model, file)
    _check_tensors(model, file)
    return model


def _check(model: onnx.ModelProto, file: str) -> None:
    """Refuse what is no valid ONNX; missing shapes are no fault, as they are inferred or reported later."""
    if any(not isinstance(name, str) for name in _names(model.graph)):
        # Protobuf hands them over as bytes.
        _fail("the model is not valid ONNX: it holds names that are not UTF-8 text", DAMAGE_ADVICE, file)
    unknown = [value for value in (*model.graph.input, *model.graph.output) if _lacks_shape(value)]
    for value in unknown:
        value.type.tensor_type.shape.SetInParent()
    try:
        checker.check_model(model)
    except (checker.ValidationError, ValueError) as error:
        text = str(error).strip()
        _refuse_old_opset(model, text, file)
        # An operator that ONNX does not know is reported by the import, with all other problems.
        if not text.startswith("No Op registered"):
            _fail(f"the model is not valid ONNX: {_first_line(text)}", EXPORT_ADVICE, file)
    for value in unknown:
        value.type.tensor_type.ClearField("shape")


def _refuse_old_opset(model: onnx.ModelProto, fault: str, file: str) -> None:
    """Say so of a model that is valid in a newer opset than the one that it names, as ESP-PPQ writes them."""
    entry = next((entry for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if entry is None or entry.version < OLDEST:
        return
    declared = entry.version
    for opset in range(declared + 1, onnx.defs.onnx_opset_version() + 1):
        trial = onnx.ModelProto()
        trial.CopyFrom(model)
        next(entry for entry in trial.opset_import if entry.domain in ("", "ai.onnx")).version = opset
        try:
            checker.check_model(trial)
        except (checker.ValidationError, ValueError):
            continue
        what = f"the model has opset {declared}, but its operators are those of opset {opset}: {_first_line(fault)}"
        advice = (
            f"Set the version in its opset_import to {opset}; in ESP-PPQ, give opset_version={declared} at the start."
        )
        _fail(what, advice, file)


def _names(graph: onnx.GraphProto) -> Iterator[str]:
    """Every name that the import uses."""
    for node in graph.node:
        yield from (node.name, node.op_type, node.domain, *node.input, *node.output)
        yield from (attribute.name for attribute in node.attribute)
    for value in (*graph.input, *graph.output, *graph.value_info):
        yield value.name
        yield from (dim.dim_param for dim in value.type.tensor_type.shape.dim)
    yield from (tensor.name for tensor in graph.initializer)
    yield graph.name


def _check_tensors(model: onnx.ModelProto, file: str) -> None:
    """The checker looks at the sizes of some constants only."""
    attributes = (attribute for node in model.graph.node for attribute in node.attribute)
    tensors = [attribute.t for attribute in attributes if attribute.type == onnx.AttributeProto.TENSOR]
    for tensor in [*model.graph.initializer, *tensors]:
        try:
            numpy_helper.to_array(tensor)
        except (KeyError, ValueError, TypeError):
            what = f'the constant "{tensor.name}" is damaged: its data do not fit its type and shape'
            _fail(what, DAMAGE_ADVICE, file)


def _lacks_shape(value: onnx.ValueInfoProto) -> bool:
    return value.type.HasField("tensor_type") and not value.type.tensor_type.HasField("shape")


def name_nodes(model: onnx.ModelProto) -> None:
    """Give every node a name of its own: the first output's where it is empty or repeated.

    onnxruntime refuses repeated names, and problems are told by them.
    """
    names = Counter(node.name for node in model.graph.node)
    seen: set[str] = set()
    for node in model.graph.node:
        if not node.name or node.name in seen:
            node.name = next((output for output in node.output if output), node.op_type)
            while node.name in seen or names[node.name]:
                node.name += "."
        seen.add(node.name)


def _fail(what: str, advice: str, file: str) -> NoReturn:
    raise ModelError(Problem(what, advice), file=file)


def _first_line(text: str) -> str:
    """The fact and the node of a checker message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(line.removeprefix("==> Context: ") for line in lines[:2])


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        _fail(f'there is no file "{path}"', "Check the path of the model.", str(path))
    except IsADirectoryError:
        _fail(f'"{path}" is a folder, expected an ONNX file', "Give the path of the .onnx file in it.", str(path))
    except OSError as error:
        _fail(f'"{path}" cannot be read: {error.strerror}', "Check the permissions of the file.", str(path))


def _parse(data: bytes, file: str) -> onnx.ModelProto:
    if not data:
        _fail("the file is empty (0 bytes), expected an ONNX model", EXPORT_ADVICE, file)
    for start, what, advice in LOOKALIKES:
        if data.startswith(start):
            _fail(f"the file is not ONNX but {what}", advice, file)
    if data[4:8] == b"TFL3":
        _fail("the file is not ONNX but a TensorFlow Lite model", "Convert it to ONNX with tf2onnx.", file)
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        if _is_truncated(data):
            what = f"the file is truncated: it ends after {len(data)} bytes in the middle of the model"
            _fail(what, DAMAGE_ADVICE, file)
        _fail("the file is not an ONNX model", EXPORT_ADVICE, file)
    if not model.HasField("graph") or not model.graph.output:
        _fail("the file is not an ONNX model: it holds no graph with an output", EXPORT_ADVICE, file)
    return model


def _is_truncated(data: bytes) -> bool:
    """True when the bytes begin as ModelProto (field 1, ir_version) and a later field runs past their end."""
    if data[0] != 0x08:
        return False
    position = 0
    while position < len(data):
        tag, position = _varint(data, position)
        if tag & 7 == 0:
            _, position = _varint(data, position)
        elif tag & 7 == 2:
            length, position = _varint(data, position)
            position += length
        else:
            return False
    return position > len(data)


def _varint(data: bytes, position: int) -> tuple[int, int]:
    """A base-128 number and the position after it, past the end when it is cut off."""
    value = shift = 0
    while position < len(data):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
    return value, len(data) + 1


def _load_external_data(model: onnx.ModelProto, source: Path | bytes, file: str) -> None:
    external = [t for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
    if not external:
        return
    location = next((entry.value for entry in external[0].external_data if entry.key == "location"), "")
    if isinstance(source, bytes):
        what = f'the weights are in the external file "{location}", but the model was given as bytes'
        _fail(what, "Give the path of the model, or save it with its weights inside.", file)
    try:
        external_data_helper.load_external_data_for_model(model, str(source.parent))
    except (OSError, ValueError, checker.ValidationError):
        what = f'the external data file "{location}" with the weights is missing or too short'
        _fail(what, "Put it next to the model, or save the model with its weights inside.", file)
