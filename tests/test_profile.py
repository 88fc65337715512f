"""p4c profile: layers add up to the whole, work is counted, and networks at hand stay below their cycle budgets."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import p4c
from p4c.cli import main
from p4c.compiler.work import executed_macs, nominal_macs
from p4c.runtime.profile import profile
from p4c.runtime.render import print_profile
from p4c.runtime.simulator.timing import Timing

from .graphs import Net, compile_graph

ROOT = Path(__file__).parent.parent
MNIST = ROOT.parent / "shared" / "models" / "mnist_qat" / "inputq_qdq_int8.onnx"


def network():
    net = Net(3)
    x = net.quantize(net.conv(net.input(3, 8, 8), 16, pads=(1, 1, 1, 1), spread=24), 4)
    x = net.quantize(net.conv(x, 16, pads=(1, 1, 1, 1), groups=16, spread=24), 4)
    net.output(net.dense(net.same("reshape", x, shape=(1, 1024)), 10))
    return net.graph


def test_layers_add_up():
    result = profile(compile_graph(network()), Timing())
    layers = [layer.counters for layer in result.layers]
    glue = result.total.cycles - sum(layer.cycles for layer in layers)
    assert all(layer.cycles >= layer.instructions / 2 > 0 for layer in layers)
    assert 0 < glue < 150, "what the entry does before the first layer"
    for layer in layers:
        assert layer.cycles == layer.instructions - layer.pairs + layer.fused_cycles + layer.stalls


def test_why_a_kernel_was_taken(capsys):
    """What stands above it in the table of its op, with what is missing for that."""
    result = profile(compile_graph(network()), Timing())
    layer = next(layer for layer in result.layers if layer.step.kernel.name == "depthwise3x3_s8")
    assert layer.step.passed_over == {}
    layer = next(layer for layer in result.layers if layer.step.kernel.name == "conv2d_s8")
    assert "every channel is a group of its own" in layer.step.passed_over["depthwise3x3_s8"]
    assert all(layer.step.passed_over.values())
    print_profile(result, verbose=True)
    assert "  not depthwise3x3_s8: it needs that every channel is a group of its own" in capsys.readouterr().out


def test_work_of_layers():
    model = compile_graph(network())
    graph, steps = model.plan.graph, model.plan.steps
    conv = next(step.node for step in steps if step.kernel.name == "conv2d_s8")
    # 3x3 with padding 1 on 8x8: 22 of 24 taps along each axis are real.
    assert nominal_macs(graph, conv) == 8 * 8 * 9 * 3 * 16
    assert executed_macs(graph, conv) == 22 * 22 * 3 * 16
    depthwise = next(step.node for step in steps if step.kernel.name == "depthwise3x3_s8")
    assert executed_macs(graph, depthwise) == 22 * 22 * 16


def test_the_vector_unit_pays():
    scalar, vector = (profile(compile_graph(network(), pie=pie), Timing()).total.cycles for pie in (False, True))
    assert vector * 2 < scalar


def test_json_and_table(capsys):
    digits = str(ROOT / "examples" / "digits" / "digits.onnx")
    assert main(["profile", digits, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "p4c.profile/1"
    assert "estimate" in found["estimate"]
    assert found["total_cycles"] >= sum(layer["cycles"] for layer in found["layers"]) > 0
    assert main(["profile", digits]) == 0
    printed = capsys.readouterr().out
    assert "estimate, 360 MHz, 256 KB L2 cache, one core, warm" in printed
    assert max(map(len, printed.splitlines())) <= 100


def test_cycles_of_the_mnist_network():
    """The budget of the notebook's network: 195,000 estimated cycles."""
    if not MNIST.exists():
        pytest.skip("the shared models are not beside this checkout")
    assert profile(p4c.compile(MNIST), Timing()).total.cycles <= 195_000
