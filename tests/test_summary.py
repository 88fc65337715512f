"""`p4c summary`: numbers that can be counted by hand, and models that p4c does not compile."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from p4c.cli import main
from p4c.frontend.summary import Quantization, summarize

from .frontend_models import ModelBuilder, shared_model


def summary_of(tmp_path, model, **sizes):
    onnx.save(model, tmp_path / "model.onnx")
    return summarize(tmp_path / "model.onnx", sizes)


def test_small_network(folder, capsys):
    assert main(["summary", "small.onnx", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["schema"], found["opset"], found["quantized"]) == ("p4c.summary/1", 18, True)
    assert [(layer["op"], layer["parameters"], layer["macs"]) for layer in found["layers"]] == [
        ("Conv", 5 * 9 + 5, 8 * 8 * 5 * 9),
        ("Relu", 0, 0),
        ("MaxPool", 0, 0),
        ("Flatten", 0, 0),
        ("Gemm", 12 * 80 + 12, 960),
        ("Relu", 0, 0),
        ("Gemm", 4 * 12 + 4, 48),
    ]
    assert (found["parameters"], found["macs"]) == (50 + 972 + 52, 2880 + 960 + 48)
    conv, relu = found["layers"][:2]
    assert (conv["inputs"][0]["name"], conv["inputs"][0]["shape"]) == ("x", [1, 1, 8, 8])
    assert conv["inputs"][0]["quantization"]["exponents"] == [4]
    assert conv["weights"]["quantization"]["exponents"] == [6]
    assert conv["output"]["quantization"] is None
    assert (relu["output"]["shape"], relu["output"]["quantization"]["exponents"]) == ([1, 5, 8, 8], [3])
    assert main(["summary", "small.onnx"]) == 0
    out = capsys.readouterr().out
    assert "7 layers, 1,074 parameters, 3,888 MACs" in out
    assert "6 quantized tensors, all of them powers of two" in out
    assert all(len(line) <= 100 for line in out.splitlines())


# What p4c does not take: the quantizer as written, and what is said of it.
ODD = {
    "arbitrary scale and zero point": (
        ({"scale": 0.3, "zero": 7, "dtype": np.uint8}),
        Quantization("uint8", (np.float32(0.3),), (7,)),
    ),
    "sixteen bits": ({"scale": 0.25, "dtype": np.int16}, Quantization("int16", (0.25,), (0,))),
    "activation per channel": (
        {"scale": [0.5, 0.25, 0.1, 1], "zero": [0] * 4},
        Quantization("int8", tuple(np.float32([0.5, 0.25, 0.1, 1]).tolist()), (0,) * 4, 1),
    ),
    "zero scale": ({"scale": 0.0}, Quantization("int8", (0.0,), (0,))),
}


@pytest.mark.parametrize("name", ODD)
def test_quantizers_that_do_not_compile(tmp_path, capsys, name):
    arguments, expected = ODD[name]
    build = ModelBuilder()
    y = build.node("Gemm", [build.qdq("x", **arguments), build.dq(np.eye(4), [0.1] * 4, axis=1)])
    found = summary_of(tmp_path, build.model(y, opset=21))
    (layer,) = found.layers
    assert layer.inputs[0].quantization == expected
    assert layer.weights.quantization.axis == 1
    assert (layer.parameters, layer.macs) == (16, 16)
    assert main(["summary", str(tmp_path / "model.onnx")]) == 0
    assert "no powers of two" in capsys.readouterr().out


def test_blocked_and_dynamic_quantization(tmp_path):
    build = ModelBuilder()
    w = build.dq(np.eye(4), np.full((4, 2), 0.25), block_size=2, axis=1)
    scale = build.node("ReduceMax", ["x"], keepdims=0)
    zero = build.constant(0, np.int8)
    x = build.node("DequantizeLinear", [build.node("QuantizeLinear", ["x", scale, zero]), scale, zero])
    found = summary_of(tmp_path, build.model(build.node("Gemm", [x, w]), opset=21))
    (gemm,) = found.layers
    assert gemm.weights.quantization.block == 2
    assert gemm.inputs[0].quantization == Quantization("int8")


def test_float_model_with_unknown_operator_and_open_sizes(tmp_path, capsys):
    build = ModelBuilder()
    y = build.node(
        "Conv", ["x", build.constant(np.linspace(-1, 1, 135).reshape(5, 3, 3, 3)), build.constant(np.ones(5))]
    )
    y = build.node("Fancy", [y], domain="custom")
    model = build.model(y, (1, 3, "height", 8))
    found = summary_of(tmp_path, model)
    assert [(layer.op, layer.macs, layer.supported) for layer in found.layers] == [
        ("Conv", None, True),
        ("custom.Fancy", 0, False),
    ]
    assert found.parameters == 140
    assert found.layers[0].output.shape == (1, 5, None, 6)
    assert summarize(tmp_path / "model.onnx", {"height": 10}).macs == 8 * 6 * 5 * 27
    assert main(["summary", str(tmp_path / "model.onnx")]) == 0
    out = capsys.readouterr().out
    for text in ("5x?x6", "no quantizers: a float model", "custom.Fancy *", "operators marked * are not supported"):
        assert text in out
    assert main(["summary", str(tmp_path / "model.onnx"), "--input-dim", "depth=1"]) == 2
    assert "--input-dim depth: no input has that dimension" in capsys.readouterr().err


def test_macs_of_other_layers(tmp_path):
    build = ModelBuilder()
    y = build.node("ConvTranspose", ["x", build.constant(np.ones((2, 3, 2, 2)))], strides=[2, 2])
    y = build.node("Conv", [y, build.constant(np.ones((3, 1, 3, 3)))], group=3)
    y = build.node("MatMul", [build.constant(np.ones((7, 6))), y])
    found = summary_of(tmp_path, build.model(y, (1, 2, 4, 4)))
    # Every input meets 3 * 4 weights; 6 x 6 results of 9 products; 7 rows of 6 columns of 6 products.
    assert [layer.macs for layer in found.layers] == [4 * 4 * 2 * 12, 3 * 36 * 9, 3 * 7 * 6 * 6]
    assert found.layers[2].parameters == 42


def test_shared_weights_count_once(tmp_path):
    build = ModelBuilder()
    w = build.constant(np.ones((4, 4)))
    found = summary_of(tmp_path, build.model(build.node("Gemm", [build.node("Gemm", ["x", w]), w])))
    assert ([layer.parameters for layer in found.layers], found.macs) == ([16, 0], 32)


def test_files_that_are_no_model(tmp_path, capsys):
    (tmp_path / "x.onnx").write_bytes(b"\x08\x08")
    assert main(["summary", str(tmp_path / "x.onnx")]) == 2
    assert "the file is not an ONNX model" in capsys.readouterr().err


def test_integer_input(tmp_path):
    build = ModelBuilder()
    model = build.model(build.node("DequantizeLinear", ["x", build.constant(0.5)]), dtype=TensorProto.INT8)
    model.graph.output.append(helper.make_tensor_value_info("x", TensorProto.INT8, [1, 4]))
    assert summary_of(tmp_path, model).layers == ()


@pytest.mark.parametrize("form", ["dynamo", "torchscript", "qdq_int8"])
def test_mnist_in_every_form(form):
    """Parameters and MACs as PyTorch counts them, the exponents as the training recorded them."""
    found = summarize(shared_model("mnist_qat", f"inputq_{form}.onnx"), {})
    assert (found.parameters, found.macs) == (206_922, 1_218_048)
    weights = [layer.weights.quantization.exponents for layer in found.layers if layer.weights]
    assert weights == [(7,), (8,), (9,), (9,)]
    scales = [layer.output.quantization.exponents for layer in found.layers if layer.output.quantization]
    assert scales == [(4,), (4,), (2,)]


@pytest.mark.parametrize("form", ["onnxruntime_qdq", "onnxruntime_qoperator", "brevitas_qonnx", "torch_dynamo"])
def test_exports_of_one_network_in_every_form(form):
    """Operators on stored integers and QONNX's quantizers count as what they stand for."""
    found = summarize(Path(__file__).parent / "data" / "exports" / f"{form}.onnx", {})
    assert (found.parameters, found.macs) == (3_306, 17_408)
    assert [layer.op for layer in found.layers if layer.macs] == ["Conv"] * 3 + ["Gemm"]
    assert all(layer.supported for layer in found.layers)
