"""The MNIST network of the shared folder, from PyTorch's exports to the simulated chip, on real images."""

from __future__ import annotations

import json

import pytest

from p4c.cli import main
from p4c.driver import Options, compile_model
from p4c.runtime.data import Normalization, load_data

from .models import shared

# At most so many simulated instructions for one image with scalar kernels, and with SIMD kernels.
SCALAR_INSTRUCTIONS, SIMD_INSTRUCTIONS = 4_000_000, 400_000

INPUTQ = ("dynamo", "dynamo_dynbatch", "torchscript", "torchscript_dynbatch", "qdq_dynamo", "qdq_int8")
SEED = ("dynamo", "dynamo_dynbatch", "dynamo_noopt", "torchscript", "torchscript_dynbatch", "qdq_torchscript")


def model_file(name):
    return shared("models", "mnist_qat", f"{name}.onnx")


def verdict(capsys, name, *flags, status=0):
    """What `p4c verify --json` says of a file on the test images."""
    data = shared("mnist", "mnist_test.npz")
    command = ["verify", str(model_file(name)), "--data", str(data), "--normalize", "0.1307,0.3081", "--json"]
    assert main([*command, *flags]) == status
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("name", ["inputq_qdq_int8", "inputq_dynamo"])
def test_500_images_are_identical(name, capsys):
    result = verdict(capsys, name, "--limit", "500")
    assert (result["rows"], result["identical"], result["mismatches"]) == (500, 500, [])
    assert result["correct"] == result["oracle_correct"] > 485
    assert result["instructions"] <= SIMD_INSTRUCTIONS


def test_scalar_code_is_identical_and_quick(capsys):
    result = verdict(capsys, "inputq_qdq_int8", "--limit", "40", "--no-pie")
    assert result["identical"] == 40
    assert 1_218_000 < result["instructions"] <= SCALAR_INSTRUCTIONS


def test_every_layer_is_identical(capsys):
    result = verdict(capsys, "inputq_dynamo", "--limit", "20", "--layers")
    assert result["first_divergence"] is None
    compared = [layer for layer in result["layers"] if layer["tensor"]]
    assert len(compared) >= 4
    assert all(layer["identical"] == 20 and layer["max_lsb"] == 0 for layer in compared)


def test_compiling_twice_gives_the_same_bytes(tmp_path):
    first, second = (
        compile_model(model_file("inputq_qdq_int8"), Options(), tmp_path / name).files for name in ("one", "two")
    )
    assert first == second
    written = {
        path.relative_to(tmp_path / "two").as_posix() for path in (tmp_path / "two").rglob("*") if path.is_file()
    }
    assert written == set(first)


def test_exports_of_one_network_become_one_image():
    """The forms in which tools write the float biases differ, what is computed does not."""
    images = {compile_model(model_file(f"inputq_{name}")).build.image.model_hash for name in INPUTQ[:2]}
    assert len(images) == 1


def test_arena_is_no_larger_than_what_is_live():
    plan = compile_model(model_file("inputq_qdq_int8")).plan
    assert plan.arena_bytes == plan.arena_lower_bound


@pytest.mark.slow
def test_all_images_are_identical(capsys):
    result = verdict(capsys, "inputq_qdq_int8")
    assert (result["rows"], result["identical"]) == (10_000, 10_000)
    assert result["correct"] == result["oracle_correct"] == 9_888


@pytest.mark.slow
@pytest.mark.parametrize("flags", [["--chip-rev", "v1"], ["--chip-rev", "v3"], ["--no-pie"]], ids=" ".join)
def test_500_images_on_every_chip(flags, capsys):
    assert verdict(capsys, "inputq_qdq_int8", "--limit", "500", *flags)["identical"] == 500


@pytest.mark.slow
@pytest.mark.parametrize("name", INPUTQ)
def test_every_export_with_an_input_quantizer(name, capsys):
    assert verdict(capsys, f"inputq_{name}", "--limit", "300")["identical"] == 300


@pytest.mark.slow
@pytest.mark.parametrize("name", SEED)
def test_every_export_without_one(name):
    """With the input's exponent given; rows that differ do so within float32's error of a tie, and say where."""
    model = compile_model(model_file(f"seed_{name}"), Options(input_exponents={"": 5}))
    data = load_data(shared("mnist", "mnist_test.npz"), model.inputs, Normalization.parse("0.1307,0.3081")).limited(
        300
    )
    result = model.verify(data.inputs, data.labels)
    differing = [mismatch.row for mismatch in result.mismatches]
    assert len(differing) <= 3
    if differing:
        origins = model.explain({name: array[differing] for name, array in data.inputs.items()})
        assert all(origin.explained for origin in origins)
