"""Bring a model to an opset that the importers know and onnxruntime runs."""

from __future__ import annotations

from functools import cache

import onnx
import onnxruntime
from onnx import helper, version_converter

from ..compiler.errors import ModelError, Problem

OLDEST, OLDEST_CONVERTED = 13, 10
# Every supported onnxruntime runs files of this IR version; newer ones add nothing that an INT8 network needs.
IR_VERSION = 10


def convert_opset(model: onnx.ModelProto, problems: list[Problem], file: str) -> onnx.ModelProto:
    """The model at opset 13 or above, with a warning when it was converted; raises ModelError when none works."""
    model.ir_version = min(model.ir_version, IR_VERSION)
    opset = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), OLDEST)
    if opset < OLDEST_CONVERTED:
        what = f"the model has opset {opset}, expected {OLDEST_CONVERTED} or above"
        raise ModelError(Problem(what, "Export it again with opset_version=18."), file=file)
    if opset > newest_opset():
        what = f"the model has opset {opset}, but the installed onnxruntime {onnxruntime.__version__} "
        what += f"runs up to {newest_opset()}"
        advice = f"Export it again with opset_version={newest_opset()} or below, or install a newer onnxruntime."
        raise ModelError(Problem(what, advice), file=file)
    if opset >= OLDEST:
        return model
    try:
        converted = version_converter.convert_version(model, OLDEST)
    except Exception as error:
        what = f"the model has opset {opset} and cannot be converted to {OLDEST}: {str(error).splitlines()[0]}"
        raise ModelError(Problem(what, "Export it again with opset_version=18."), file=file) from None
    what = f"the model has opset {opset}; it was converted to {OLDEST} by onnx.version_converter"
    problems.append(Problem(what, "Export it with opset_version=18 to be sure of what it means.", warning=True))
    return converted


@cache
def newest_opset() -> int:
    """The newest opset that the installed onnxruntime loads."""
    newest = onnx.defs.onnx_opset_version()
    while newest > OLDEST and not _runs(newest):
        newest -= 1
    return newest


def _runs(opset: int) -> bool:
    value = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "probe", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    try:
        onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    except Exception:
        # onnxruntime's own exception types differ between releases.
        return False
    return True
