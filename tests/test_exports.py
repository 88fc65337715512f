"""The files that tools export (tests/data/exports): read, interpreted, on the chip, against the tool itself."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from p4c.compiler.errors import ModelError
from p4c.compiler.interpreter import run_graph
from p4c.compiler.verifier import verify
from p4c.frontend.reader import import_model
from p4c.runtime.oracle import Oracle

from .graphs import compile_graph, plan_of

EXPORTS = Path(__file__).parent / "data" / "exports"

# Exponents as the tools chose them: input, behind the first layer, of the concatenated branches, of the logits.
EXPONENTS = {
    "brevitas_qcdq": (6, 5, 4, 3),
    "brevitas_qonnx": (6, 5, 4, 3),
    "esp_ppq": (7, 6, 4, 3),
    "onnxruntime_qoperator": (6, 5, 4, 2),
    "onnxruntime_qdq": (6, 5, 4, 2),
    "torch_dynamo": (6, 5, 4, 2),
    "torch_torchscript": (6, 5, 4, 2),
    "torch_torchscript_per_channel": (6, 5, 4, 2),
    "torchao_pt2e": (6, 5, 4, 2),
}
PER_CHANNEL = {"esp_ppq", "torch_torchscript_per_channel", "torchao_pt2e"}
# The networks of networks.py, which have other layers.
FILES = (
    *EXPONENTS,
    "brevitas_qcdq_shortcut",
    "brevitas_qcdq_dynamo",
    "brevitas_qonnx_shortcut",
    "esp_ppq_residual",
    "esp_ppq_gated",
    "onnxruntime_qdq_residual",
    "onnxruntime_qdq_mixed",
    "onnxruntime_qoperator_residual",
    "torchao_pt2e_residual",
)


@functools.cache
def read(name):
    result = import_model(EXPORTS / f"{name}.onnx")
    verify(result.graph, "import")
    return result


@functools.cache
def held_out(name):
    """Input rows, and what the tool computed for them."""
    with np.load(EXPORTS / f"{name}.npz") as data:
        return data["x"], data["tool"]


def exponents_before(graph, op):
    """The exponents of what layers of an op read, in their order."""
    return [graph.type_of(node.operands[0]).params.exponent for node in graph if node.op == op]


@pytest.mark.parametrize("name", EXPONENTS)
def test_exponents_are_the_tools(name):
    graph = read(name).graph
    first, hidden, parts, logits = EXPONENTS[name]
    assert exponents_before(graph, "conv2d") == [first, hidden, hidden]
    assert exponents_before(graph, "fully_connected") == [parts]
    assert exponents_before(graph, "dequantize") == [logits]
    weights = [graph.type_of(node.operands[1]).params for node in graph if node.op in ("conv2d", "fully_connected")]
    assert len(weights) == 4
    assert all((params.axis == 0) is (name in PER_CHANNEL) and params.exponents for params in weights)


@pytest.mark.parametrize("name", FILES)
def test_nothing_is_recovered_from_values(name):
    """Every one of these forms holds its scales: a warning would be about guesses."""
    warnings = [warning.what for warning in read(name).warnings]
    about_oracle = [
        "the model has QONNX Quant nodes, which onnxruntime does not run: verify compares with its QDQ form"
    ]
    assert warnings == (about_oracle if "qonnx" in name else [])


@pytest.mark.parametrize("name", FILES)
def test_interpreter_gives_what_tool_and_onnxruntime_give(name):
    result, (x, tool) = read(name), held_out(name)
    (source,), (output,) = result.graph.inputs, result.graph.outputs
    session = Oracle(result.model).session()
    oracle = np.concatenate([session.run({source: x}, row)[session.outputs[0]] for row in range(len(x))])
    ours = np.concatenate([run_graph(result.graph, {source: row[None]})[output] for row in x])
    np.testing.assert_array_equal(ours, oracle)
    np.testing.assert_array_equal(ours, tool)


def check_device(name, **options):
    x, tool = held_out(name)
    np.testing.assert_array_equal(compile_graph(read(name).graph, **options).run(x), tool)


@pytest.mark.parametrize("name", FILES)
def test_device_gives_what_the_tool_gives(name):
    check_device(name)


@pytest.mark.slow
@pytest.mark.parametrize("options", [{"chip_rev": "v1"}, {"pie": False}], ids=["v1", "scalar"])
@pytest.mark.parametrize("name", FILES)
def test_other_devices_give_what_the_tool_gives(name, options):
    check_device(name, **options)


@pytest.mark.parametrize("name", ["brevitas_qonnx", "brevitas_qonnx_shortcut"])
def test_the_executor_of_qonnx_agrees_with_the_tool(name):
    """Two implementations of Quant that are not p4c's, so that the translation into QDQ is no judge of itself."""
    with np.load(EXPORTS / f"{name}.npz") as data:
        np.testing.assert_array_equal(data["qonnx"], data["tool"])


def test_qlinear_softmax_has_a_zero_point():
    """onnxruntime's QOperator form quantizes every Softmax by 1/256 from -128 on, which is not symmetric."""
    with pytest.raises(ModelError) as caught:
        plan_of(import_model(EXPORTS / "onnxruntime_qoperator_mixed.onnx").graph)
    assert "zero point -128, expected int8, a power of two and 0" in str(caught.value)


def test_every_file_has_its_script_and_its_line():
    page = (EXPORTS / "README.md").read_text()
    for path in EXPORTS.iterdir():
        if path.suffix in (".onnx", ".py"):
            assert f"`{path.name}`" in page, path.name
