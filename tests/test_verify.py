"""Verification: good images pass, and a single wrong byte of an image is found, with the layer it is in."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

import p4c
from p4c import driver
from p4c.backend.image import read_image, write_image
from p4c.cli import main
from p4c.compiler.errors import InputError
from p4c.runtime.oracle import OracleSession, max_difference
from p4c.runtime.verify import Mismatch, _compare

from .models import OnnxNet, many_net, rows, small_net


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """small.onnx, and data.npz with seven rows and labels."""
    folder = tmp_path_factory.mktemp("verify")
    small_net().save(folder / "small.onnx")
    np.savez(folder / "data.npz", x=rows(7), y=np.arange(7) % 4)
    return folder


@pytest.fixture(scope="module")
def small(folder):
    return p4c.compile(folder / "small.onnx")


def with_flipped_byte(built, plan, node):
    """The build with one bit of a layer's first weight turned, in an image that a loader accepts."""
    step = next(step for step in plan.steps if step.node.loc == node)
    offset = step.constants["weights"].offset
    code, weights, arena = built.image.segments
    data = bytearray(weights.data)
    data[offset] ^= 0x40
    image = replace(built.image, segments=(code, replace(weights, data=bytes(data)), arena))
    return replace(built, image=read_image(write_image(image)), image_bytes=write_image(image))


@pytest.fixture
def corrupted(monkeypatch):
    """Let the driver build images in which a weight of the given node is wrong."""

    def corrupt(node):
        build = driver.build
        monkeypatch.setattr(driver, "build", lambda plan, *rest: with_flipped_byte(build(plan, *rest), plan, node))

    return corrupt


def test_good_image_is_identical(small):
    x = rows(7)
    labels = np.argmax(small.run(x), axis=1)
    verdict = small.verify(x, labels)
    assert (verdict.rows, verdict.identical, verdict.passed) == (7, 7, True)
    assert (verdict.correct, verdict.oracle_correct, list(verdict.mismatches)) == (7, 7, [])
    assert 1000 < verdict.cycles <= verdict.instructions < 100_000
    wrong = small.verify(x, (labels + np.array([1, 0, 0, 1, 0, 0, 0])) % 4)
    assert (wrong.identical, wrong.correct, wrong.oracle_correct) == (7, 5, 5)
    assert small.verify(rows(0)).passed


def test_labels_must_fit(small):
    for labels in (np.zeros(6), np.zeros((7, 1)), np.zeros(0)):
        with pytest.raises(InputError, match=r"the labels have shape .*, expected \[7\]"):
            small.verify(rows(7), labels)


@pytest.mark.parametrize("node", ["Conv_0", "Gemm_0", "Gemm_1"])
def test_one_wrong_weight_is_a_mismatch(small, node):
    damaged = replace(small, build=with_flipped_byte(small.build, small.plan, node))
    x = rows(40)
    verdict = damaged.verify(x)
    assert not verdict.passed
    assert verdict.identical == 40 - len(verdict.mismatches)
    differing = {m.row: m for m in verdict.mismatches}
    good, bad = small.run(x), damaged.run(x)
    for row in range(40):
        difference = float(np.max(np.abs(good[row] - bad[row])))
        assert (row in differing) == (difference > 0)
        if difference:
            assert differing[row] == Mismatch(row, "logits", difference)


@pytest.mark.parametrize(("node", "first"), [("Conv_0", 0), ("Gemm_0", 1), ("Gemm_1", 2)])
def test_layers_mark_the_first_divergence(small, node, first):
    damaged = replace(small, build=with_flipped_byte(small.build, small.plan, node))
    verdict = damaged.verify_layers(rows(20))
    assert [(layer.step, layer.node, layer.op) for layer in verdict.layers] == [
        (0, "Conv_0", "qconv2d"),
        (1, "Gemm_0", "qfully_connected"),
        (2, "Gemm_1", "qfully_connected"),
    ]
    assert all(layer.tensor and layer.rows == 20 for layer in verdict.layers)
    assert not verdict.passed
    assert verdict.first_divergence is verdict.layers[first]
    assert verdict.first_divergence.max_lsb >= 1
    for layer in verdict.layers[:first]:
        assert (layer.identical, layer.max_lsb, layer.diverged) == (20, 0.0, False)


def test_layers_are_read_before_their_memory_is_used_again(tmp_path):
    """In a long chain the buffers of early layers are gone at the end; every tensor is compared all the same."""
    net = OnnxNet()
    x = net.quantize(net.input((1, 6)), 4)
    for _ in range(5):
        x = net.quantize(net.gemm(x, 6, 6), 3)
    net.output(net.gemm(x, 6, 4), "y")
    model = p4c.compile(net.save(tmp_path / "deep.onnx"))
    places = [model.plan.buffers[step.node.name] for step in model.plan.steps]
    assert len(set(places)) < len(places)
    verdict = model.verify_layers(rows(5, (6,)))
    assert [(layer.identical, layer.diverged) for layer in verdict.layers] == [(5, False)] * 6


def test_layers_of_a_good_image_are_identical(small, tmp_path):
    verdict = small.verify_layers(rows(5))
    assert verdict.passed
    assert verdict.first_divergence is None
    many = p4c.compile(many_net().save(tmp_path / "many.onnx"))
    inputs = {"a": rows(5, (6,)), "b": rows(5, (2, 3, 3))}
    layers = many.verify_layers(inputs)
    assert layers.passed
    assert {"ya", "yb"} <= {layer.tensor for layer in layers.layers if layer.identical == 5}
    assert many.verify(inputs).passed


def test_command_fails_with_status_1_on_a_wrong_byte(folder, corrupted, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    command = ["verify", "small.onnx", "--data", "data.npz"]
    assert main(command) == 0
    assert "7 of 7 rows identical to onnxruntime" in capsys.readouterr().out
    corrupted("Gemm_0")
    assert main(command) == 1
    out = capsys.readouterr().out
    assert " of 7 rows identical to onnxruntime" in out
    assert "output 'logits' differs by up to" in out
    assert "begin to differ in 'Gemm_0'" in out
    assert main([*command, "--json"]) == 1
    verdict = json.loads(capsys.readouterr().out)
    assert verdict["identical"] == 7 - len(verdict["mismatches"]) < 7
    assert [(origin["node"], origin["explained"]) for origin in verdict["origins"]] == [("Gemm_0", False)]
    assert main([*command, "--layers"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert [("<- first divergence" in line, "Gemm_0" in line) for line in lines if "Gemm" in line] == [
        (True, True),
        (False, False),
    ]
    assert main([*command, "--layers", "--json"]) == 1
    layers = json.loads(capsys.readouterr().out)
    assert layers["first_divergence"] == 1
    assert [layer["identical"] == 7 for layer in layers["layers"]][:2] == [True, False]


def test_nan_is_never_equal():
    nan, one = np.array([[np.nan, 1]], np.float32), np.array([[1, 1]], np.float32)
    assert _compare(0, {"y": one}, {"y": one.copy()}) is None
    assert _compare(0, {"y": nan}, {"y": nan.copy()}) == Mismatch(0, "y", float("inf"))
    assert _compare(0, {"y": one}, {"y": nan}).difference == float("inf")
    # An equal output beside does not hide it, and the farthest one is told.
    assert _compare(3, {"a": one, "b": one + 1, "c": one + 4}, {"a": one, "b": one, "c": one}) == Mismatch(
        3, "c", 4.0
    )


def test_dtype_and_shape_count():
    one = np.ones((1, 4), np.float32)
    assert _compare(0, {"y": one}, {"y": one.astype(np.float64)}) is not None
    assert _compare(0, {"y": one}, {"y": one.reshape(4)}) == Mismatch(0, "y", float("inf"))
    assert max_difference(np.int8([100]), np.int8([-100])) == 200.0
    assert max_difference(np.float32([np.inf]), np.float32([np.inf])) == float("inf")


def test_json_has_no_infinities(folder, monkeypatch, capsys):
    """A row that onnxruntime answers with NaN: never equal, and still JSON."""
    run = OracleSession.run
    monkeypatch.setattr(
        OracleSession, "run", lambda self, *a: {name: np.full_like(y, np.nan) for name, y in run(self, *a).items()}
    )
    monkeypatch.chdir(folder)

    def strict(text):
        return json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))

    assert main(["verify", "small.onnx", "--data", "data.npz", "--json"]) == 1
    verdict = strict(capsys.readouterr().out)
    assert (verdict["identical"], verdict["mismatches"][0]["difference"]) == (0, None)
    assert main(["verify", "small.onnx", "--data", "data.npz", "--json", "--layers"]) == 1
    assert strict(capsys.readouterr().out)["layers"][0]["max_lsb"] is None
