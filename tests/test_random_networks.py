"""Random networks of all operators: onnxruntime, the interpreter and the simulated chip give the same bits."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p4c.compiler.interpreter import run_graph

from .frontend_models import imported
from .graphs import compile_graph, random_inputs
from .random_networks import Networks, seeded
from .random_operators import OPERATORS

# Networks in one model, which so share a compile.
BATCH = 16
MOST_STEPS = 6
ROWS = 3


def run_rows(model, inputs):
    """The outputs of onnxruntime with its optimizer off, row by row."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads, options.log_severity_level = 1, 3
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    rows = [session.run(None, {name: x[row : row + 1] for name, x in inputs.items()}) for row in range(ROWS)]
    return {name: np.concatenate([row[at] for row in rows]) for at, name in enumerate(names)}


def assert_equal(actual, expected, story):
    for name, array in expected.items():
        np.testing.assert_array_equal(actual[name], array, err_msg=f"{name}\n{' '.join(story)}")


def behind_softmax(model):
    """The tensors that depend on a Softmax: float32 may decide a tie there that the exact quotient does not have."""
    found = set()
    for node in model.graph.node:
        if node.op_type == "Softmax" or found.intersection(node.input):
            found.update(node.output)
    return found


def check(networks, seed, devices=()):
    """The networks so far against onnxruntime and on simulated chips.

    Chips give what onnxruntime gives; behind a Softmax, what the interpreter gives for the exact integers.
    """
    model = networks.model()
    graph, inexact = imported(model).graph, behind_softmax(model)
    inputs = random_inputs(graph, ROWS, seed)
    expected = run_rows(model, inputs)
    assert_equal(run_graph(graph, inputs), expected, networks.story)
    for options in devices:
        compiled = compile_graph(graph, **options)
        integers = run_graph(compiled.plan.graph, inputs)
        wanted = {name: integers[name] if name in inexact else array for name, array in expected.items()}
        actual = compiled.run(inputs)
        actual = actual if isinstance(actual, dict) else {graph.outputs[0]: actual}
        assert_equal(actual, wanted, (str(options), *networks.story))


def batch_of(seed):
    """Networks by a seed."""
    networks = Networks(seeded(seed), seed)
    for _ in range(BATCH):
        networks.network(networks.pick(range(1, MOST_STEPS + 1)), OPERATORS)
    return networks


ALL_TARGETS = ({"chip_rev": "v3"}, {"chip_rev": "v1"}, {"pie": False})


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
def test_imports_give_what_onnxruntime_gives(data, seed):
    """One network at a time, which shrinks to the operators that matter."""
    networks = Networks(lambda options: data.draw(st.sampled_from(options)), seed)
    networks.network(data.draw(st.integers(1, MOST_STEPS)), OPERATORS)
    check(networks, seed)


def test_a_device_gives_what_onnxruntime_gives():
    check(batch_of(0), 0, ALL_TARGETS[:1])


@pytest.mark.slow
@pytest.mark.parametrize("first", range(10_000, 12_000, 250))
def test_many_imports_give_what_onnxruntime_gives(first):
    for seed in range(first, first + 250):
        networks = Networks(seeded(seed), seed)
        networks.network(networks.pick(range(1, MOST_STEPS + 1)), OPERATORS)
        check(networks, seed)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 65))
def test_devices_give_what_onnxruntime_gives(seed):
    """1,024 networks; every eighth batch with the other encoding, and without SIMD, too."""
    check(batch_of(seed), seed, ALL_TARGETS if seed % 8 == 0 else ALL_TARGETS[:1])
