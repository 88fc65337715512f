"""CompiledModel.run: rows in ONNX dtype and axis order, stored integers with raw, and what does not fit."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto

import p4c
from p4c.compiler.errors import DeviceError, InputError
from p4c.compiler.numerics import quantize
from p4c.runtime.simulated import SimulatorDevice

from .models import OnnxNet, many_net, rows, small_net


def onnxruntime_rows(model, inputs):
    """What onnxruntime gives for each row, joined."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    count = len(next(iter(inputs.values())))
    results = [session.run(None, {name: array[i : i + 1] for name, array in inputs.items()}) for i in range(count)]
    names = [output.name for output in session.get_outputs()]
    return {name: np.concatenate(arrays) for name, arrays in zip(names, zip(*results, strict=True), strict=True)}


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return p4c.compile(small_net().save(tmp_path_factory.mktemp("small") / "small.onnx"))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    return p4c.compile(many_net().save(tmp_path_factory.mktemp("many") / "many.onnx"))


@pytest.mark.parametrize("count", [1, 5, 17])
def test_rows_are_those_of_onnxruntime(small, count):
    x = rows(count)
    y = small.run(x)
    np.testing.assert_array_equal(y, onnxruntime_rows(small_net().model(), {"x": x})["logits"], strict=True)
    assert len(np.unique(y)) > count


def test_no_rows_give_no_rows(small, many):
    y = small.run(rows(0))
    assert (y.shape, y.dtype) == ((0, 4), np.float32)
    raw = small.run(np.zeros((0, 1, 8, 8), np.int8), raw=True)
    assert (raw.shape, raw.dtype) == ((0, 4), np.int32)
    ys = many.run({"a": rows(0, (6,)), "b": rows(0, (2, 3, 3))})
    assert {name: (y.shape, y.dtype) for name, y in ys.items()} == {
        "ya": ((0, 3), np.float32),
        "yb": ((0, 4, 3, 3), np.float32),
    }


def test_several_inputs_and_outputs_by_name(many):
    inputs = {"b": rows(3, (2, 3, 3), 1), "a": rows(3, (6,), 2)}
    expected = onnxruntime_rows(many_net().model(), inputs)
    actual = many.run(inputs)
    assert list(actual) == ["ya", "yb"]
    for name in expected:
        np.testing.assert_array_equal(actual[name], expected[name], strict=True)


def test_raw_takes_and_gives_stored_integers(small, many):
    x = rows(3)
    stored = quantize(x, small.plan.inputs[0].type, -128, 127)
    raw = small.run(stored, raw=True)
    assert (raw.dtype, raw.shape) == (np.int32, (3, 4))
    # logits = accumulators * scale + bias
    border = small.plan.outputs[0]
    reals = raw.astype(np.float32) * np.float32(border.type.params.scale[0])
    reals = reals if border.bias is None else reals + border.bias
    np.testing.assert_array_equal(reals, small.run(x))
    ys = many.run({"a": np.ones((2, 6), np.int8), "b": np.ones((2, 2, 3, 3), np.int8)}, raw=True)
    assert {name: y.dtype for name, y in ys.items()} == {"ya": np.int8, "yb": np.int32}


def test_rows_beyond_the_range_saturate(small):
    x = rows(3)
    far = np.where(x > 0, np.float32(1e30), np.float32(-1e30))
    near = np.where(x > 0, np.float32(127 / 16), np.float32(-8))
    np.testing.assert_array_equal(small.run(far), small.run(near))


def test_progress_counts_every_row(small):
    seen = []
    small.run(rows(5), progress=lambda done, total: seen.append((done, total)))
    assert seen == [(done, 5) for done in range(1, 6)]


# What is given, and what is said about it.
UNFIT = [
    (lambda: rows(2, (8, 8)), "input 'x' has shape [2, 8, 8], expected [N, 1, 8, 8]"),
    (lambda: rows(1)[0], "input 'x' has shape [1, 8, 8], expected [N, 1, 8, 8]"),
    (lambda: np.float32(3), "input 'x' has shape [], expected [N, 1, 8, 8]"),
    (lambda: rows(2).transpose(0, 2, 3, 1), "input 'x' has shape [2, 8, 8, 1], expected [N, 1, 8, 8]"),
    (lambda: rows(2).astype(np.float64), "input 'x' is float64, expected float32"),
    (lambda: rows(2).astype(np.int8), "input 'x' is int8, expected float32"),
    (lambda: rows(2).tolist(), "input 'x' is float64, expected float32"),
    (lambda: {"y": rows(2)}, "arrays for the inputs 'y', expected 'x'"),
    (dict, "arrays for the inputs none, expected 'x'"),
    (lambda: {"x": rows(2), "y": rows(2)}, "arrays for the inputs 'x', 'y', expected 'x'"),
]


@pytest.mark.parametrize(("make", "text"), UNFIT)
def test_inputs_that_do_not_fit(small, make, text):
    for use in (small.run, small.verify, small.verify_layers):
        with pytest.raises(InputError) as caught:
            use(make())
        assert caught.value.problems[0].what == text
        assert caught.value.problems[0].advice


def test_several_inputs_that_do_not_fit(many):
    a, b = rows(2, (6,)), rows(3, (2, 3, 3))
    with pytest.raises(InputError, match="the inputs have different numbers of rows: 'a' 2, 'b' 3"):
        many.run({"a": a, "b": b})
    with pytest.raises(InputError, match="the model has 2 inputs"):
        many.run(a)
    stored = {"a": np.ones((2, 6), np.int8), "b": np.ones((3, 2, 3, 3), np.int8)}
    with pytest.raises(InputError, match="different numbers of rows"):
        many.run(stored, raw=True)
    with pytest.raises(InputError, match="arrays for the inputs 'a', expected 'a', 'b'"):
        many.run({"a": stored["a"]}, raw=True)


def test_raw_inputs_that_do_not_fit(small):
    with pytest.raises(InputError) as caught:
        small.run(rows(2), raw=True)
    assert caught.value.problems[0].what == "input 'x' is float32, expected int8"
    assert "tored integers" in caught.value.problems[0].advice


def test_integer_inputs_and_outputs_have_their_own_dtype(tmp_path):
    """An input that the model dequantizes itself, and an output that it leaves quantized."""
    net = OnnxNet()
    x = net.input((1, 3, 4, 4), dtype=TensorProto.INT8)
    x = net.node("DequantizeLinear", [x, *net.scale(4)])
    y = net.node("Relu", [net.conv(x, 3, 4)])
    net.output(net.quantize(y, 2), "y")
    model = p4c.compile(net.save(tmp_path / "integers.onnx"))
    x = np.random.default_rng(0).integers(-128, 128, (3, 3, 4, 4)).astype(np.int8)
    expected = onnxruntime_rows(net.model(), {"x": x})["y"]
    np.testing.assert_array_equal(model.run(x), expected, strict=True)
    with pytest.raises(InputError, match="input 'x' is float32, expected int8"):
        model.run(x.astype(np.float32))


class Failing(SimulatorDevice):
    """A device whose third run fails; counts the sessions that are open."""

    def __init__(self):
        super().__init__("v3")
        self.open = self.loaded = self.runs = 0

    def load(self, image):
        session = super().load(image)
        run, close, device = session.run, session.close, self
        device.open, device.loaded = device.open + 1, device.loaded + 1

        def failing(block, *steps):
            device.runs += 1
            if device.runs >= 3:
                raise DeviceError("the cable came off", "put it back")
            return run(block, *steps)

        def closing():
            device.open -= 1
            close()

        session.run, session.close = failing, closing
        return session


def test_a_failure_ends_the_run_and_every_session(small):
    device = Failing()
    with pytest.raises(DeviceError, match="the cable came off"):
        small.run(rows(200), device=device)
    assert device.open == 0
    assert 1 <= device.loaded <= device.parallel
    assert device.runs < 200, "rows in flight at most"
