"""Networks on the board under test: its outputs against onnxruntime, its cycles beside the estimates."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

import p4c
from p4c.cli import main
from p4c.compiler.interpreter import run_graph
from p4c.runtime.measured import measure
from p4c.runtime.model import CompiledModel
from p4c.runtime.simulated import SimulatorDevice
from p4c.runtime.simulator.timing import Timing

from .benchmark_layers import layers as benchmarks
from .device_report import Network, Row
from .frontend_models import imported
from .graphs import compile_graph, random_inputs
from .test_exports import EXPORTS, FILES
from .test_random_networks import ROWS, batch_of

ROOT = Path(__file__).parent.parent
DIGITS = ROOT / "examples" / "digits"
MODELS = ROOT.parent / "shared" / "models"
# Networks that are not in the repository, and how many random rows of each.
OTHERS = {
    "MNIST network": "mnist_qat/inputq_qdq_int8.onnx",
    "MLPerf Tiny ResNet-8": "mlperf_tiny/resnet8_pow2_fused_qdq.onnx",
    "MLPerf Tiny MobileNet (VWW)": "mlperf_tiny/vww_mobilenet_pow2_fused_qdq.onnx",
    "MLPerf Tiny DS-CNN": "mlperf_tiny/kws_dscnn_pow2_fused_qdq.onnx",
    "MLPerf Tiny autoencoder": "mlperf_tiny/ad_fc_pow2_fused_qdq.onnx",
}
# Some differ only in where the benchmark puts things.
LAYERS = list({layer.build: layer for layer in reversed(benchmarks.LAYERS)}.values())[::-1]
# How far a whole network may be from its estimate; docs/timing.md says +-15 %, and this is to find what is wrong.
FACTOR = 2.0


def inputs_of(model: CompiledModel, rows: int):
    random = np.random.default_rng(1)
    return {i.name: random.normal(size=(rows, *i.shape[1:])).astype(np.float32) for i in model.inputs}


def prove_and_measure(model: CompiledModel, name: str, inputs, board, device, report):
    """The board's outputs are onnxruntime's; its cycles go into the report, and are near what is expected.

    A simulated board counts instructions, and must count as many as the simulator.
    """
    verdict = model.verify(inputs, device=board)
    assert verdict.passed, f"{verdict.identical} of {verdict.rows} rows identical"
    timing = Timing(l2_kb=256, clock_mhz=round(device.clock / 1e6))
    with board.load(model) as loaded:
        measured = measure(model, loaded, timing)
    layers = [Row(at.step.node.loc or at.step.node.name, at.estimated, at.cycles) for at in measured.layers]
    report.networks.append(Network(Row(name, measured.total_estimated, measured.total_cycles), tuple(layers)))
    if device.simulated:
        counted = measure(model, SimulatorDevice(model.chip_rev), timing)
        assert measured.total_cycles == counted.total_cycles
        assert [layer.cycles for layer in measured.layers] == [layer.cycles for layer in counted.layers]
    else:
        assert 1 / FACTOR < measured.total_cycles / measured.total_estimated < FACTOR


def test_the_example_on_all_of_its_images(board, device, report):
    model = p4c.compile(DIGITS / "digits.onnx", chip_rev=device.chip_rev)
    with np.load(DIGITS / "digits.npz") as data:
        inputs = next(iter(data.values()))
    assert model.verify_layers(inputs[:20], device=board).passed
    prove_and_measure(model, "digits network", inputs, board, device, report)


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_exports(board, device, report, name):
    model = p4c.compile(EXPORTS / f"{name}.onnx", chip_rev=device.chip_rev)
    with np.load(EXPORTS / f"{name}.npz") as data:
        prove_and_measure(model, name, data["x"], board, device, report)


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_other_networks(board, device, report, name):
    path = MODELS / OTHERS[name]
    if not path.exists():
        pytest.skip("needs the models beside the checkout")
    model = p4c.compile(path, chip_rev=device.chip_rev)
    prove_and_measure(model, name, inputs_of(model, 3), board, device, report)


@pytest.mark.slow
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: layer.name)
def test_benchmark_layers(board, device, report, layer, tmp_path):
    net = benchmarks.LayerModel()
    net.save(layer.build(net), tmp_path / "layer.onnx")
    model = p4c.compile(tmp_path / "layer.onnx", chip_rev=device.chip_rev)
    prove_and_measure(model, layer.name, inputs_of(model, 2), board, device, report)


@functools.cache
def random_model(seed: int):
    """Networks of all operators as one graph."""
    return imported(batch_of(seed).model()).graph


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))])
@pytest.mark.parametrize("pie", [True, False])
def test_random_networks(board, device, seed, pie):
    """Against the interpreter, which other tests compare with onnxruntime."""
    graph = random_model(seed)
    inputs = random_inputs(graph, ROWS, seed)
    compiled = compile_graph(graph, chip_rev=device.chip_rev, pie=pie)
    expected = run_graph(compiled.plan.graph, inputs)
    actual = compiled.run(inputs, device=board)
    actual = actual if isinstance(actual, dict) else {graph.outputs[0]: actual}
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=name)


def test_the_command_line(device, capsys):
    """As a user proves a board."""
    command = ["verify", str(DIGITS / "digits.onnx"), "--data", str(DIGITS / "digits.npz"), "--limit", "20"]
    assert main([*command, "--device", device.port, "--baud", str(device.baud)]) == 0
    assert "20 of 20 rows identical" in capsys.readouterr().out
