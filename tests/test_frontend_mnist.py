"""The twelve exports of the MNIST network, in every form that the tools write."""

import functools

import numpy as np
import pytest

from p4c.compiler.errors import ModelError
from p4c.compiler.interpreter import run_graph
from p4c.compiler.verifier import verify
from p4c.frontend.reader import Imported, ImportOptions, import_model

from .frontend_models import run_onnx, shared_model, structure

INPUTQ_FLOAT_BIAS = (
    "inputq_dynamo",
    "inputq_dynamo_dynbatch",
    "inputq_torchscript",
    "inputq_torchscript_dynbatch",
    "inputq_qdq_dynamo",
)
SEED = (
    "seed_dynamo",
    "seed_dynamo_dynbatch",
    "seed_dynamo_noopt",
    "seed_torchscript",
    "seed_torchscript_dynbatch",
    "seed_qdq_torchscript",
)
FOLDED = {"inputq_dynamo", "inputq_dynamo_dynbatch", "seed_dynamo", "seed_dynamo_dynbatch"}


@functools.cache
def read(name: str) -> Imported:
    options = ImportOptions(input_exponents={"input": 5} if name in SEED else {})
    result = import_model(shared_model("mnist_qat", f"{name}.onnx"), options)
    verify(result.graph, "import")
    return result


def fixed_inputs(name: str) -> np.ndarray:
    with np.load(shared_model("mnist_qat", f"{name}_io.npz")) as data:
        return data["input"]


@pytest.mark.parametrize("name", INPUTQ_FLOAT_BIAS)
def test_inputq_exports_are_one_graph(name):
    assert structure(read(name).graph) == structure(read("inputq_torchscript").graph)


@pytest.mark.parametrize("name", SEED)
def test_seed_exports_are_one_graph(name):
    assert structure(read(name).graph) == structure(read("seed_torchscript").graph)


def test_stored_integers_are_the_same_graph_but_for_biases():
    stored, trained = read("inputq_qdq_int8").graph, read("inputq_torchscript").graph
    assert structure(stored, biases=False) == structure(trained, biases=False)
    assert structure(stored) != structure(trained)


@pytest.mark.parametrize("name", [*INPUTQ_FLOAT_BIAS, "inputq_qdq_int8"])
def test_interpreter_is_identical_to_onnxruntime(name):
    graph = read(name).graph
    with np.load(shared_model("mnist_qat", "inputq_io.npz")) as data:
        rows = [run_graph(graph, {"input": x[None]})["logits"] for x in data["input"]]
        np.testing.assert_array_equal(np.concatenate(rows), data[name])


@pytest.mark.parametrize("name", SEED)
def test_seed_is_identical_on_the_quantized_input(name):
    result = read(name)
    assert result.input_params["input"].exponent == 5
    for x in fixed_inputs("seed"):
        on_grid = (np.clip(np.rint(x[None] * 32), -128, 127) / 32).astype(np.float32)
        ours = run_graph(result.graph, {"input": x[None]})["logits"]
        np.testing.assert_array_equal(ours, run_onnx(result.model, on_grid)[0])


@pytest.mark.parametrize("name", SEED)
def test_seed_needs_an_input_exponent(name):
    with pytest.raises(ModelError) as error:
        import_model(shared_model("mnist_qat", f"{name}.onnx"))
    (problem,) = error.value.problems
    assert problem.tensor == "input"
    assert "no quantizer on this input" in problem.what
    for flag in ("--input-exponent input=5", "--input-exponent 5", "--calibrate data.npz"):
        assert flag in problem.advice


@pytest.mark.parametrize("name", [*INPUTQ_FLOAT_BIAS, *SEED, "inputq_qdq_int8"])
def test_only_exponents_that_no_node_holds_are_recovered(name):
    warnings = read(name).warnings
    assert len(warnings) == (3 if name in FOLDED else 0)
    assert all("recovered from their values" in warning.what and warning.tensor for warning in warnings)


@pytest.mark.parametrize("name", ["inputq_qdq_int8", "inputq_torchscript", "seed_dynamo_noopt"])
def test_names_are_those_of_the_file(name):
    result = read(name)
    known = {value.name for value in (*result.model.graph.value_info, *result.model.graph.output)}
    assert {result.tensors[node.name] for node in result.graph if node.loc} <= known
    assert {node.loc for node in result.graph if node.loc} <= {node.name for node in result.model.graph.node}
    files = {tensor.name for tensor in result.model.graph.initializer}
    assert set(result.graph.constants) <= files


@pytest.mark.parametrize("name", ["ad_fc_pow2_qdq", "ad_fc_pow2_fused_qdq"])
def test_autoencoder_of_mlperf_tiny(name):
    graph = import_model(shared_model("mlperf_tiny", f"{name}.onnx")).graph
    verify(graph, "import")
    with np.load(shared_model("mlperf_tiny", "ad_fc_io.npz")) as data:
        rows = [run_graph(graph, {"input_1": x[None]})[graph.outputs[0]] for x in data["input"]]
        np.testing.assert_array_equal(np.concatenate(rows), data[name])
