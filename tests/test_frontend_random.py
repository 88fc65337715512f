"""Random small networks: every form of quantizer imports to one graph, which gives what onnxruntime gives."""

from dataclasses import dataclass, replace

import numpy as np
import onnx
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from .frontend_models import FORMS, ModelBuilder, assert_identical, imported, structure
from .graphs import assert_device_identical

# How weights may be written: as any quantizer on floats, stored as integers, or folded to plain floats.
WEIGHT_FORMS = (*FORMS, "stored", "folded")


@dataclass(frozen=True)
class Layer:
    """One layer and what follows it, as numbers that any form can write."""

    kind: str
    channels: int
    exponent: int
    activation: str
    quantizer: int | None
    pool: bool


layers = st.builds(
    Layer,
    kind=st.sampled_from(["conv", "conv", "depthwise", "gemm"]),
    channels=st.integers(1, 5),
    exponent=st.integers(3, 9),
    activation=st.sampled_from(["", "Relu", "Clip"]),
    quantizer=st.integers(-1, 6),
    pool=st.booleans(),
)


def integer_weights(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Weights that need every bit, so that their smallest exponent is the one they were made with."""
    integers = random.integers(-128, 128, shape)
    integers.flat[0] |= 1
    return integers


class NetworkBuilder:
    """Writes one network in a choice of forms; equal seeds and layers give equal numbers."""

    def __init__(self, forms: st.DataObject | None, seed: int) -> None:
        self.build, self.forms, self.random = ModelBuilder(), forms, np.random.default_rng(seed)

    def form(self, forms: tuple[str, ...]) -> str:
        return "qdq" if self.forms is None else self.forms.draw(st.sampled_from(forms))

    def weights(self, shape: tuple[int, ...], exponent: int) -> str:
        integers, form = integer_weights(self.random, shape), self.form(WEIGHT_FORMS)
        if form == "stored":
            return self.build.dq(integers, 2.0**-exponent)
        floats = self.build.constant(integers * 2.0**-exponent)
        return floats if form == "folded" else self.build.quantizer(floats, exponent, form)

    def layer(self, x: str, shape: tuple[int, ...], layer: Layer) -> tuple[str, tuple[int, ...]]:
        build = self.build
        channels = shape[1] if layer.kind == "depthwise" else layer.channels
        if layer.kind == "gemm" or len(shape) == 2:
            flat = build.node("Flatten", [x]) if len(shape) == 4 else x
            w = self.weights((layer.channels, int(np.prod(shape[1:]))), layer.exponent)
            bias = build.constant(self.random.normal(size=layer.channels))
            return build.node("Gemm", [flat, w, bias], transB=1), (1, layer.channels)
        groups = channels if layer.kind == "depthwise" else 1
        w = self.weights((channels, shape[1] // groups, 3, 2), layer.exponent)
        bias = build.constant(self.random.normal(size=channels))
        y = build.node("Conv", [x, w, bias], pads=[1, 0, 1, 1], group=groups)
        return y, (1, channels, *shape[2:])

    def network(self, stack: list[Layer], output: int | None) -> onnx.ModelProto:
        x = self.build.quantizer("x", 4, self.form(FORMS))
        return self.build.model(self.tower(x, stack, output), (1, 2, 6, 5))

    def tower(self, x: str, stack: list[Layer], output: int | None) -> str:
        """One network on a quantized input; returns its output."""
        build, shape = self.build, (1, 2, 6, 5)
        for index, layer in enumerate(stack):
            x, shape = self.layer(x, shape, layer)
            if layer.activation == "Relu":
                x = build.node("Relu", [x])
            elif layer.activation == "Clip":
                x = build.clip(x, -1.5, 6.0)
            if index + 1 < len(stack) or output is not None:
                x = build.quantizer(x, layer.quantizer, self.form(FORMS))
            if layer.pool and len(shape) == 4 and min(shape[2:]) > 1:
                x = build.node("MaxPool", [x], kernel_shape=[2, 2], strides=[2, 2])
                shape = (*shape[:2], shape[2] // 2, shape[3] // 2)
        return x


def check(stack: list[Layer], output: int | None, seed: int, forms: st.DataObject) -> None:
    model = NetworkBuilder(forms, seed).network(stack, output)
    reference = NetworkBuilder(None, seed).network(stack, output)
    result = assert_identical(model, seed)
    assert structure(result.graph) == structure(imported(reference).graph)


networks = given(
    stack=st.lists(layers, min_size=1, max_size=4),
    output=st.sampled_from([None, 0]),
    seed=st.integers(0, 2**32 - 1),
    forms=st.data(),
)


@settings(max_examples=15, deadline=None)
@networks
def test_all_forms_are_one_graph(stack, output, seed, forms):
    check(stack, output, seed, forms)


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@networks
def test_all_forms_are_one_graph_at_length(stack, output, seed, forms):
    check(stack, output, seed, forms)


# Networks in one model, each with an output of its own: so many share one compile.
BATCH = 8
# Their exponents leave each layer a shift of at least 1, which float biases need.
wide_layers = st.builds(
    Layer,
    kind=st.sampled_from(["conv", "conv", "depthwise", "gemm"]),
    channels=st.sampled_from([1, 7, 15, 16, 17, 31, 32, 33]),
    exponent=st.integers(7, 9),
    activation=st.sampled_from(["", "Relu", "Clip"]),
    quantizer=st.integers(0, 6),
    pool=st.booleans(),
)
stacks = st.lists(wide_layers, min_size=1, max_size=3)


# Shrinking would compile hundreds of times; the example that fails is printed, and small enough to cut by hand.
@pytest.mark.slow
@settings(max_examples=12, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(batch=st.lists(stacks, min_size=BATCH, max_size=BATCH), seed=st.integers(0, 2**32 - 1))
def test_devices_give_what_onnxruntime_gives(batch, seed):
    """Images for both encodings, and without SIMD, against the interpreter, and that against onnxruntime."""
    builder = NetworkBuilder(None, seed)
    x = builder.build.quantizer("x", 4)
    # Every second one ends in accumulators.
    ends = [[*stack[:-1], replace(stack[-1], activation="", pool=False)] for stack in batch[::2]]
    outputs = [builder.tower(x, stack, None) for stack in ends] + [
        builder.tower(x, stack, 0) for stack in batch[1::2]
    ]
    graph = assert_identical(builder.build.model(outputs, (1, 2, 6, 5)), seed).graph
    for options in ({"chip_rev": "v3"}, {"chip_rev": "v1"}, {"pie": False}):
        assert_device_identical(graph, seed=seed, **options)
