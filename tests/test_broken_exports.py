"""Broken exports as a new user meets them: what `p4c check` says of each, all of it in one run, never a traceback."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import helper

from p4c.cli import main

from . import broken_files as broken_files
from .broken_exports import EXPORTS, SHAPE, finished, qdq, start
from .models import OnnxNet
from .mutations import damaged, models

GOLDEN = Path(__file__).parent / "golden" / "broken_exports.txt"
# Faults of the file as a whole, which have no node or tensor.
WHOLE_FILE = {
    *("no_quantizers", "truncated_file", "cut_to_few_bytes", "missing_external_data", "opset_9", "no_opset"),
    *(
        "external_data_outside_of_the_folder",
        "opset_of_the_future",
        "tensor_made_twice",
        "cyclic_graph",
        "no_outputs",
    ),
    *("tensor_that_nothing_makes", "damaged_weights", "empty_graph", "misspelt_attribute", "larger_than_any_memory"),
    "half_precision",
}
# Where the fault lies: node and tensor as the maker of the export knows them.
PLACES = {
    "missing_quantizer_on_a_branch": ("Add_0", "Relu_0_out"),
    "missing_quantizer_of_an_operand": ("Add_0", "Conv_1_out"),
    "missing_quantizer_of_the_input": ("", "x"),
    "activation_per_channel": ("DequantizeLinear_2", "Conv_0_out"),
    "scale_no_power_of_two": ("Conv_0", "DequantizeLinear_2_out"),
    "uint8_activations": ("Conv_1", "DequantizeLinear_2_out"),
    "zero_point_of_an_activation": ("Conv_1", "DequantizeLinear_2_out"),
    "sixteen_bit_zero_point": ("QuantizeLinear_1", "c7"),
    "blocked_activation": ("QuantizeLinear_1", "Conv_0_out"),
    "scale_at_run_time": ("QuantizeLinear_1", "ReduceMax_0_out"),
    "dynamic_quantization": ("MatMulInteger_0", "xq"),
    "weights_off_the_grid": ("Conv_0", "conv.weight"),
    "bias_without_shift": ("Conv_0", "conv.bias"),
    "bias_not_finite": ("Conv_0", "conv.bias"),
    "weights_per_input_channel": ("Conv_0", "DequantizeLinear_1_out"),
    "dynamic_height": ("", "x"),
    "no_channels": ("", "x"),
    "custom_operator": ("Deform_0", "Deform_0_out"),
    "volumes": ("Conv_0", "DequantizeLinear_0_out"),
}


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """said(name, data, *flags) gives status, stdout and stderr of `p4c check name.onnx`."""
    monkeypatch.chdir(tmp_path)

    def check(name, data, *flags):
        Path(f"{name}.onnx").write_bytes(data)
        status = main(["check", f"{name}.onnx", *flags])
        return (status, *capsys.readouterr())

    return check


def test_what_is_said_of_each(said, golden):
    """The whole text, to be read as a new user would; versions of other programs are left out."""
    texts = []
    for name, make in EXPORTS.items():
        status, out, err = said(name, make())
        assert (status, out) == (2, "")
        assert "Traceback" not in err
        texts.append(err)
    lines = "\n".join(texts).splitlines()
    # What onnx and onnxruntime say of themselves differs from release to release.
    stable = [line for line in lines if "onnxruntime 1." not in line and "opset_version=2" not in line]
    golden(GOLDEN, "\n".join(line for line in stable if "runs up to" not in line) + "\n")


@pytest.mark.parametrize("name", EXPORTS)
def test_every_problem_is_a_fact_with_a_place_and_advice(said, name):
    status, out, _ = said(name, EXPORTS[name](), "--json")
    problems = json.loads(out)["problems"]
    assert status == 2
    assert problems
    for problem in problems:
        assert problem["advice"]
        assert problem["node"] or problem["tensor"] or name in WHOLE_FILE
    if name in PLACES:
        assert PLACES[name] in [(problem["node"], problem["tensor"]) for problem in problems]


def test_several_faults_are_all_said_in_one_run(said):
    """One fault on each of eight branches, of every stage that finds some."""
    net, x = start()
    branches = [
        qdq(net, net.conv(x, 2, 3), [0.25, 0.5, 0.25], [0] * 3),
        qdq(net, net.conv(x, 2, 3), 2.0**-12, 0, np.int16),
        net.node("LRN", [net.quantize(net.conv(x, 2, 3), 3)], size=3),
        net.node("Deform", [net.quantize(net.conv(x, 2, 3), 3)], domain="my.company"),
        net.node("Conv", [x, net.constant(np.full((3, 2, 1, 1), 0.3, np.float32) * 1.7, "off.weight")]),
        qdq(net, net.conv(x, 2, 3), 0.0),
    ]
    for at, branch in enumerate(branches):
        net.output(net.quantize(branch, 3), f"y{at}")
    net.output(qdq(net, net.conv(x, 2, 3), 0.03), "y6")
    bias = net.constant(np.array([0.3, 0.2, 0.1], np.float32), "conv.bias")
    model = finished(net, net.node("Conv", [x, net.weights(3, 2, 3, 3), bias]), opset=21, e=10)
    model.opset_import.append(helper.make_opsetid("my.company", 1))
    status, _, err = said("several", model.SerializeToString())
    assert status == 2
    text = " ".join(err.split())
    for fact in (
        "3 scales along axis 1, expected one scale",
        "quantizes to int16",
        "the operator LRN is not supported",
        "the operator my.company.Deform is not supported",
        "on no grid",
        "has the scale 0, expected",
        "with scale 0.0299999993",
        "with no shift to round it",
    ):
        assert fact in text, fact
    assert "several.onnx: does not compile: 8 problems" in err


def test_alike_problems_of_many_nodes_are_one_entry(said):
    net = OnnxNet()
    y = net.quantize(net.input(SHAPE), 4)
    for inputs in (2, *[3] * 9):
        y = qdq(net, net.conv(y, inputs, 3), 0.03, -128)
    data = finished(net, y).SerializeToString()
    _, _, err = said("deep", data)
    assert err.count("p4c: error: ") == 2
    assert "the same 9 times more: Conv_1, Conv_2, Conv_3, Conv_4 and 5 more" in " ".join(err.split())
    _, _, err = said("deep", data, "-v")
    assert "Conv_8, Conv_9" in err


@pytest.mark.parametrize("seed", [248, 452, 497, 908, 1079, 1357, 3473])
def test_damage_that_once_brought_a_traceback(said, seed):
    assert_no_bug(said, seed)


@pytest.mark.slow
def test_random_damage_never_brings_a_traceback(said):
    for seed in range(20_000, 20_600):
        assert_no_bug(said, seed)


def assert_no_bug(said, seed):
    """`check` and `summary` of a damaged model end well or with an error that names no rule of the IR."""
    choice = models()
    data = damaged(choice[seed % len(choice)], np.random.default_rng(seed))
    status, _, err = said("damaged", data)
    assert status in (0, 2), (seed, err)
    assert "of the IR" not in err, (seed, err)
    assert main(["summary", "damaged.onnx"]) in (0, 2), seed


def test_models_to_be_damaged_are_sound(said):
    for model in models():
        assert said("sound", model.SerializeToString())[0] == 0
