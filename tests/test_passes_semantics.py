"""The passes change how a network is computed and no bit of what it computes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from p4c.compiler.interpreter import run_graph
from p4c.compiler.numerics import EXACT_ACCUMULATOR
from p4c.compiler.passes import PASS_NAMES, run_passes

from .graphs import random_inputs
from .networks import networks

RELAXED = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True)


def assert_passes_keep_meaning(graph):
    stages = []
    run_passes(graph, stages.append)
    assert [stage.name for stage in stages] == list(PASS_NAMES)
    inputs = random_inputs(graph)
    expected = run_graph(graph, inputs)
    for stage in stages:
        assert stage.graph.outputs == graph.outputs
        assert list(stage.graph.inputs.items()) == list(graph.inputs.items())
        for name, array in run_graph(stage.graph, inputs).items():
            np.testing.assert_array_equal(array, expected[name], err_msg=f"{name} after {stage.name}", strict=True)
    return stages


def assert_no_reals_left(graph):
    """What remains is integers, but for the quantizers and dequantizers at the border."""
    for node in graph:
        assert node.op not in ("conv2d", "fully_connected"), node
        if node.op == "quantize":
            assert node.operands[0] in graph.inputs, node
        else:
            assert node.op == "dequantize" or node.type.dtype != "f32", node
        if "acc_bound" in node.attrs:
            assert node.attrs["acc_bound"] < EXACT_ACCUMULATOR


@settings(RELAXED, max_examples=60)
@given(networks())
def test_outputs_are_the_same_after_every_pass(graph):
    stages = assert_passes_keep_meaning(graph)
    assert_no_reals_left(stages[-1].graph)


@pytest.mark.slow
@settings(RELAXED, max_examples=800)
@given(networks(max_blocks=7))
def test_outputs_are_the_same_after_every_pass_at_length(graph):
    stages = assert_passes_keep_meaning(graph)
    assert_no_reals_left(stages[-1].graph)


@settings(RELAXED, max_examples=15)
@given(networks())
def test_passes_resume_at_any_stage(graph):
    """The graph after any pass, put in again behind it, ends as the same graph."""
    stages = []
    final = run_passes(graph, stages.append)
    inputs = random_inputs(graph, rows=1)
    expected = run_graph(final, inputs)
    for stage in stages:
        seen = []
        again = run_passes(stage.graph, seen.append, after=stage.name)
        assert [(s.number, s.name) for s in seen] == [(s.number, s.name) for s in stages[stage.number :]]
        for name, array in run_graph(again, inputs).items():
            np.testing.assert_array_equal(array, expected[name])
