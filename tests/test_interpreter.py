"""The interpreter on whole graphs: every value by name, any batch size, stored dtypes."""

import numpy as np
from hypothesis import HealthCheck, given, settings

from p4c.compiler.interpreter import interpret, run_graph
from p4c.compiler.parser import parse_graph

from .strategies import graphs

NETWORK = """\
p4ir 1 after fold-quantizers
graph network

input %image : f32[1,2,4,4]

const %w : i8[3,2,3,3] q(e=6) = 11
const %b : f32[3] = [0.5,-1.0,0.25]
const %fc : i8[4,12] q(e=[5,6,7,8], axis=0) = 5

%x = quantize(%image) : i8[1,2,4,4] q(e=4)
%c = conv2d(%x, %w, %b) {pads=[1,1,1,1], qmin=0} : i8[1,3,4,4] q(e=2)
%p = max_pool(%c) {kernel=[2,2], strides=[2,2]} : i8[1,3,2,2] q(e=2)
%f = reshape(%p) {shape=[1,12]} : i8[1,12] q(e=2)
%y = fully_connected(%f, %fc) : f32[1,4]

output %y
output %f
"""


def test_every_value_has_its_name():
    graph, _ = parse_graph(NETWORK, {})
    image = np.random.default_rng(0).normal(size=(1, 2, 4, 4)).astype(np.float32)
    values = interpret(graph, {"image": image})
    assert set(values) == {*graph.inputs, *graph.constants, *graph.nodes}
    outputs = run_graph(graph, {"image": image})
    assert list(outputs) == ["y", "f"]
    assert all(np.array_equal(outputs[name], values[name]) for name in outputs)


def test_a_batch_is_its_images_one_by_one():
    graph, _ = parse_graph(NETWORK, {})
    images = np.random.default_rng(1).normal(size=(5, 2, 4, 4)).astype(np.float32)
    batch = interpret(graph, {"image": images})
    for index in range(5):
        alone = interpret(graph, {"image": images[index : index + 1]})
        for name in graph.nodes:
            assert np.array_equal(batch[name][index], alone[name][0]), name
    assert len(np.unique(batch["y"])) > 10


def test_folding_a_quantizer_changes_nothing():
    """conv2d with a quantized result is conv2d, then quantize."""
    folded, _ = parse_graph(NETWORK, {})
    attrs = "{pads=[1,1,1,1], qmin=0} : i8[1,3,4,4] q(e=2)"
    separate = NETWORK.replace(
        f"%c = conv2d(%x, %w, %b) {attrs}",
        "%r = conv2d(%x, %w, %b) {pads=[1,1,1,1]} : f32[1,3,4,4]\n%c = quantize(%r) {qmin=0} : i8[1,3,4,4] q(e=2)",
    )
    image = np.random.default_rng(2).normal(size=(3, 2, 4, 4)).astype(np.float32)
    expected = run_graph(parse_graph(separate, {})[0], {"image": image})
    assert all(np.array_equal(run_graph(folded, {"image": image})[name], expected[name]) for name in expected)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(graphs())
def test_results_have_their_declared_types(graph):
    rng = np.random.default_rng(0)
    inputs = {name: rng.integers(0, 100, type_.shape).astype(type_.numpy) for name, type_ in graph.inputs.items()}
    # Constants hold infinities and NaN, and results may be out of any range.
    with np.errstate(all="ignore"):
        values = interpret(graph, inputs)
    for name, array in values.items():
        type_ = graph.type_of(name)
        assert (array.shape, array.dtype) == (type_.shape, type_.numpy), name
