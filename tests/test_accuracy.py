"""`p4c check --data`: figures that are computed by hand, and those of a trained network computed another way."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from p4c.cli import main
from p4c.driver import Options, measure_accuracy, plan_model
from p4c.runtime.accuracy import accuracy_warnings
from p4c.runtime.borders import onnx_dtype
from p4c.runtime.data import InputSpec, Normalization, load_data

from .frontend_models import ModelBuilder, run_onnx, shared_model
from .models import OnnxNet, shared


def measured(tmp_path, model, x, **options):
    onnx.save(model, tmp_path / "model.onnx")
    np.savez(tmp_path / "data.npz", x=np.asarray(x, np.float32))
    settings = Options(**options)
    return measure_accuracy(plan_model(tmp_path / "model.onnx", settings), tmp_path / "data.npz", settings)


def by_hand():
    """x by 2^-1; y = (2 a, 4 b) by 2^0."""
    build = ModelBuilder()
    w = build.dq([[2, 0], [0, 4]], 1.0)
    return build.model(build.quantizer(build.node("Gemm", [build.quantizer("x", 1), w]), 0), (1, 2))


# x                 1.25    3   -70    40
# stored by 2^-1       2    6  -128    80    (-140 is clipped)
# accumulators         4   24  -256   320    in units of 2^-1
# y                    2   12  -128   127    (160 is clipped)
# real y             2.5   12  -140   160
ROWS = [[1.25, 3.0], [-70.0, 40.0]]


def test_figures_computed_by_hand(tmp_path):
    found = measured(tmp_path, by_hand(), ROWS)
    x, y = found.layers
    assert (found.rows, x.op, y.op) == (2, "quantize", "qfully_connected")
    assert (x.elements, x.saturated, x.smallest, x.largest, x.bits) == (4, 1, -128, 80, 8)
    assert (x.signal, x.noise) == (1.25**2 + 9 + 4900 + 1600, 0.25**2 + 6**2)
    assert (y.elements, y.saturated, y.smallest, y.largest) == (4, 2, -128, 127)
    assert (y.accumulator, y.bound) == (320, 4 * 128)
    signal, noise = 2.5**2 + 12**2 + 140**2 + 160**2, 0.5**2 + 12**2 + 33**2
    assert (y.signal, y.noise) == (signal, noise)
    assert y.sqnr == pytest.approx(10 * math.log10(signal / noise))
    # The quantizer alone: 2.5 becomes 2; by 2^1 nothing is clipped, and 2.5 still becomes 2.
    assert (y.errors[0], y.errors[-1], y.best_exponent) == (noise, 0.5**2, -1)
    [first, second] = accuracy_warnings(found)
    assert first.what.startswith("25 % of the values lie at -128 or 127, the ends of the range")
    assert second.what.startswith("50 % of the values")
    gain = 10 * math.log10(signal / 0.25)
    advice = f"train with the scale 2^1 instead of 2^0: on this data its own SQNR is {gain:.1f} dB, not 15.7 dB"
    assert second.advice == advice
    assert (second.node, second.op, second.warning) == ("Gemm_3", "qfully_connected", True)


@pytest.mark.parametrize("rows", [1, 15, 16, 17, 33])
def test_batches_change_nothing(tmp_path, rows):
    """The sums over many rows are those of the rows one by one."""
    x = np.tile(ROWS, (17, 1))[:rows]
    found = measured(tmp_path, by_hand(), x)
    single = [measured(tmp_path, by_hand(), [row]) for row in ROWS]
    shares = [(rows + 1) // 2, rows // 2]
    for index, layer in enumerate(found.layers):
        parts = [(share, one.layers[index]) for share, one in zip(shares, single, strict=True) if share]
        assert layer.saturated == sum(share * part.saturated for share, part in parts)
        assert layer.noise == sum(share * part.noise for share, part in parts)
        assert layer.accumulator == max(part.accumulator for _, part in parts)


def test_scale_that_leaves_bits_unused(tmp_path):
    found = measured(tmp_path, by_hand(), [[1.0, 1.5], [0.5, -2.0]])
    x, y = found.layers
    assert (x.smallest, x.largest, x.bits) == (-4, 3, 3)
    assert (y.smallest, y.largest, y.bits) == (-8, 6, 4)
    assert (x.saturated, x.noise, x.sqnr) == (0, 0.0, math.inf)
    assert x.best_exponent == 1
    texts = [problem.what for problem in accuracy_warnings(found)]
    assert texts == ["the values -4..3 use 3 of 8 bits", "the values -8..6 use 4 of 8 bits"]


def test_ends_of_a_relu_and_of_a_narrow_quantizer(tmp_path):
    """Zeros of a ReLU are not saturated; a quantizer to -7..7 ends there."""
    build = ModelBuilder()
    y = build.node("Gemm", [build.quantizer("x", 1), build.dq(np.eye(2), 1.0)])
    y = build.quantizer(build.node("Relu", [y]), 0, "qcdq", -7, 7)
    found = measured(tmp_path, build.model(y, (1, 2)), [[-3, 2], [9, 7], [-1, 0]])
    assert (found.layers[1].saturated, found.layers[1].elements) == (2, 6)


def test_the_zero_end_of_an_unsigned_range(tmp_path):
    build = ModelBuilder()
    y = build.node("Gemm", [build.quantizer("x", 1), build.dq(np.eye(2), 1.0)])
    y = build.quantizer(build.node("Relu", [y]), 0, "qcdq", 0, 15)
    found = measured(tmp_path, build.model(y, (1, 2)), [[-3, 2], [29, 7], [-1, 0]])
    assert (found.layers[1].smallest, found.layers[1].largest, found.layers[1].saturated) == (0, 15, 1)


def test_forms_of_one_network_have_equal_figures():
    """QDQ and QOperator of the same training; the reals are those of the operators written out."""
    folder = Path(__file__).parent / "data" / "exports"
    figures = []
    for form in ("qdq", "qoperator"):
        planned = plan_model(folder / f"onnxruntime_{form}.onnx", Options())
        found = measure_accuracy(planned, folder / f"onnxruntime_{form}.npz", Options(), limit=10)
        figures.append([(layer.op, layer.saturated, layer.accumulator, layer.sqnr) for layer in found.layers])
    assert figures[0] == figures[1]
    assert all(sqnr > 20 for *_, sqnr in figures[0])


def test_zeros_and_no_rows(tmp_path):
    found = measured(tmp_path, by_hand(), np.zeros((3, 2)))
    assert [(layer.bits, layer.sqnr, layer.own_sqnr) for layer in found.layers] == [(1, None, None)] * 2
    empty = measured(tmp_path, by_hand(), np.zeros((0, 2)))
    assert (empty.rows, accuracy_warnings(empty)) == (0, [])


def test_quantizer_of_an_option_is_left_out_of_the_reals(tmp_path):
    build = ModelBuilder()
    y = build.quantizer(build.node("Gemm", ["x", build.dq(np.eye(2), 1.0)]), 0)
    found = measured(tmp_path, build.model(y, (1, 2)), [[0.25, 1.75]], input_exponents={"": 1})
    # Half to even of 0.5 and 3.5 units: 0 and 4, so 0 and 2.
    assert found.layers[0].noise == 0.25**2 + 0.25**2


def test_networks_with_branches_pools_and_tables(tmp_path):
    """Every quantized tensor of ONNX has its figures, and none of it is off by more than it must."""
    net = OnnxNet()
    x = net.quantize(net.input((1, 2, 8, 8)), 4)
    y = net.quantize(net.node("Sigmoid", [net.quantize(net.conv(x, 2, 3), 3)]), 7)
    z = net.quantize(net.node("MaxPool", [net.conv(x, 2, 3)], kernel_shape=[3, 3], pads=[1] * 4), 3)
    joined = net.node("Concat", [net.quantize(net.node("Add", [y, z]), 3), net.quantize(y, 6)], axis=1)
    y = net.node("AveragePool", [net.quantize(joined, 3)], kernel_shape=[2, 2], strides=[2, 2])
    net.output(net.node("Transpose", [net.quantize(y, 3)], perm=[0, 2, 3, 1]), "y")
    x = np.random.default_rng(1).normal(scale=2, size=(20, 2, 8, 8))
    found = measured(tmp_path, net.model(), x)
    compared = [layer for layer in found.layers if layer.tensor and layer.sqnr is not None]
    assert {"table", "qadd", "qaverage_pool"} <= {layer.op for layer in compared}
    assert all(layer.sqnr > 10 for layer in compared if not layer.saturated)


def without_activation_quantizers(model):
    """Of a QDQ model with stored weights, every QuantizeLinear's input in the place of what its pair gives."""
    made = {node.output[0]: node for node in model.graph.node}
    sources = {
        node.output[0]: made[node.input[0]].input[0]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in made
    }
    for node in model.graph.node:
        if node.op_type not in ("QuantizeLinear", "DequantizeLinear"):
            node.input[:] = [sources.get(name, name) for name in node.input]
    return model, sources


def test_mnist_computed_another_way():
    """Saturation and SQNR from what onnxruntime gives for the file and for a float copy that is edited by hand."""
    path, data = shared_model("mnist_qat", "inputq_qdq_int8.onnx"), shared("mnist", "mnist_test.npz")
    normalize = Normalization((0.1307,), (0.3081,))
    options = Options(normalize=normalize)
    planned = plan_model(path, options)
    found = measure_accuracy(planned, data, options, limit=40)
    model = onnx.load(path)
    scales = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    steps = {n.output[0]: scales[n.input[1]] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    reals, sources = without_activation_quantizers(onnx.load(path))
    layers = [layer for layer in found.layers if layer.tensor in sources]
    assert len(layers) >= 4
    for one, names in ((model, list(sources)), (reals, list(sources.values()))):
        del one.graph.output[:]
        one.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name != one.graph.input[0].name)
    x = load_data(data, planned_inputs(planned), normalize).limited(40).inputs["input"]
    got = {name: [] for name in (*sources, *sources.values())}
    for row in x:
        for one in (model, reals):
            names = [output.name for output in one.graph.output]
            for name, value in zip(names, run_onnx(one, row[None]), strict=True):
                got[name].append(value)
        got["input"].append(row[None])
    for layer in layers:
        value, real = (np.array(got[name], np.float64) for name in (layer.tensor, sources[layer.tensor]))
        stored = value / steps[layer.tensor]
        assert layer.saturated == int(((stored == 127) | (stored == -128)).sum())
        assert (layer.smallest, layer.largest) == (stored.min(), stored.max())
        assert layer.sqnr == pytest.approx(10 * math.log10((real**2).sum() / ((value - real) ** 2).sum()))


def planned_inputs(planned):
    return [InputSpec(b.name, b.type.shape, onnx_dtype(b)) for b in planned.plan.inputs]


def test_command(folder, capsys):
    assert main(["check", "small.onnx", "--data", "data.npz"]) == 0
    out = capsys.readouterr().out
    assert all(len(line) <= 100 for line in out.splitlines())
    for word in ("saturated", "max |acc|", "Conv_0", "Gemm_1", "rows; SQNR in dB", "small.onnx: compiles, 3 layers"):
        assert word in out
    assert main(["check", "small.onnx", "--data", "data.npz", "--limit", "2", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["accuracy"]["rows"] == 2
    layers = result["accuracy"]["layers"]
    assert [layer["op"] for layer in layers] == [
        *("quantize", "qconv2d", "qfully_connected", "qfully_connected", "dequantize")
    ]
    assert all(layer["accumulator"] <= layer["acc_bound"] for layer in layers if layer["acc_bound"])


def test_data_that_cannot_be_measured(folder, capsys):
    np.savez("nan.npz", x=np.full((2, 1, 8, 8), np.nan, np.float32))
    assert main(["check", "small.onnx", "--data", "nan.npz"]) == 2
    assert "nan.npz: the array for input 'x' holds values that are not finite" in capsys.readouterr().err
    assert main(["check", "small.onnx", "--data", "none.npz"]) == 2
    assert "none.npz cannot be read" in capsys.readouterr().err
    assert main(["small.onnx", "--dump-ir=import"]) == 0
    [dump] = Path("small.p4c", "ir").glob("*.p4ir")
    assert main(["check", str(dump), "--data", "data.npz"]) == 2
    assert "IR text has no ONNX model to compare with" in capsys.readouterr().err
