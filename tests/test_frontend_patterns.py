"""Each form of quantizer, as small as it can be: what is recognized, and that all forms mean the same."""

import numpy as np
import pytest
from onnx import TensorProto

from p4c.compiler.passes import run_passes
from p4c.frontend.patterns.folded_weights import smallest_exponent

from .frontend_models import FORMS, ModelBuilder, assert_identical, imported, problems, structure
from .graphs import assert_device_identical

WEIGHTS = np.array([[0.5, -0.75, 0.25, 1.0], [-1.0, 0.125, 0.375, -0.625]], np.float32)  # k * 2^-3


def single(form: str, **clamp: int):
    build = ModelBuilder()
    return build.model(build.quantizer("x", 4, form, **clamp))


@pytest.mark.parametrize("form", FORMS)
def test_activation_quantizer(form):
    result = assert_identical(single(form))
    quantize, dequantize = result.graph
    assert (quantize.op, dequantize.op) == ("quantize", "dequantize")
    assert (quantize.type.dtype, quantize.type.params.exponent) == ("i8", 4)
    assert (quantize.attrs["qmin"], quantize.attrs["qmax"]) == (-128, 127)
    assert structure(result.graph) == structure(imported(single("qdq")).graph)
    assert not result.warnings


@pytest.mark.parametrize("form", [form for form in FORMS if form != "qdq"])
@pytest.mark.parametrize(("low", "high", "dtype"), [(-127, 127, "i8"), (-8, 7, "i8"), (0, 255, "u8"), (0, 15, "i8")])
def test_narrow_clamp(form, low, high, dtype):
    quantize = next(iter(assert_identical(single(form, low=low, high=high)).graph))
    assert (quantize.type.dtype, quantize.attrs["qmin"], quantize.attrs["qmax"]) == (dtype, low, high)


def test_clips_of_integers_add_up():
    """Several Clips, one without an upper bound, and bounds wider than the type."""
    build = ModelBuilder()
    params = [build.constant(2.0**-4), build.constant(0, np.int8)]
    q = build.node("QuantizeLinear", ["x", *params])
    for low, high in ((-128, 100), (-90, None), (-100, 127)):
        bounds = [build.constant(low, np.int8), *([build.constant(high, np.int8)] if high is not None else [])]
        q = build.node("Clip", [q, *bounds])
    quantize = next(iter(assert_identical(build.model(build.node("DequantizeLinear", [q, *params]))).graph))
    assert (quantize.attrs["qmin"], quantize.attrs["qmax"]) == (-90, 100)


@pytest.mark.parametrize(
    ("zero", "low", "high"), [(0, 0, 127), (0, 3, 15), (128, 0, 255), (128, 1, 255), (200, 80, 255)]
)
def test_uint8_whose_codes_fit_into_int8_is_int8(zero, low, high):
    build = ModelBuilder()
    params = [build.constant(2.0**-4), build.constant(zero, np.uint8)]
    q = build.node("QuantizeLinear", ["x", *params])
    q = build.node("Clip", [q, build.constant(low, np.uint8), build.constant(high, np.uint8)])
    result = assert_identical(build.model(build.node("DequantizeLinear", [q, *params])))
    quantize = next(iter(result.graph))
    assert (quantize.type.dtype, quantize.type.params.exponent) == ("i8", 4)
    assert (quantize.attrs["qmin"], quantize.attrs["qmax"]) == (low - zero, high - zero)
    assert_device_identical(result.graph)


def test_uint8_beyond_int8_stays_uint8():
    build = ModelBuilder()
    result = assert_identical(build.model(build.qdq("x", 2.0**-4, 0, np.uint8)))
    assert next(iter(result.graph)).type.dtype == "u8"


def test_clip_that_leaves_no_integer():
    build = ModelBuilder()
    params = [build.constant(2.0**-4), build.constant(0, np.int8)]
    q = build.node("QuantizeLinear", ["x", *params])
    for low, high in ((-128, -50), (20, 127)):
        q = build.node("Clip", [q, build.constant(low, np.int8), build.constant(high, np.int8)])
    (problem,) = problems(build.model(build.node("DequantizeLinear", [q, *params])))
    assert "clips the integers to 20..-50, which i8 has none of" in str(problem)


@pytest.mark.parametrize("form", FORMS)
def test_equal_quantizers_of_one_tensor_are_one(form):
    """Each user of a tensor has a quantizer of its own, as frameworks that quantize operands export."""
    build = ModelBuilder()
    w = [build.quantizer(build.constant(WEIGHTS), 3) for _ in range(2)]
    ys = [build.node("Gemm", [build.quantizer("x", 4, form), weight], transB=1) for weight in w]
    y = build.quantizer(build.node("Add", [build.quantizer(y, 2) for y in ys]), 1)
    result = assert_identical(build.model(y))
    integer = run_passes(result.graph, lambda stage: None)
    assert [node.op for node in integer if node.op == "quantize"] == ["quantize"]
    assert_device_identical(result.graph)


@pytest.mark.parametrize("form", FORMS)
def test_weight_quantizer_becomes_integers(form):
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    w = build.quantizer(build.constant(WEIGHTS + 0.01), 3, form)
    result = assert_identical(build.model(build.node("Gemm", [x, w], transB=1)))
    (name, constant), *rest = result.graph.constants.items()
    assert not rest
    assert (constant.type.dtype, constant.type.params.exponent) == ("i8", 3)
    np.testing.assert_array_equal(constant.array, WEIGHTS * 8)
    assert name == build.nodes[-1].input[1] or name in {tensor.name for tensor in build.initializers}


def test_weight_of_one_element_is_not_taken_for_a_scale():
    build = ModelBuilder()
    w = build.quantizer(build.constant([[0.3]]), 3, "clip")
    y = build.node("Gemm", [build.quantizer("x", 4), w], transB=1)
    result = assert_identical(build.model(y, (1, 1)))
    (constant,) = result.graph.constants.values()
    assert (constant.array.tolist(), constant.type.params.exponent) == ([[2]], 3)


def test_scale_that_equals_a_weight():
    build = ModelBuilder()
    w = build.quantizer(build.constant([[8.0]]), 3, "minmax")
    y = build.node("Gemm", [build.quantizer("x", 4), w], transB=1)
    (constant,) = assert_identical(build.model(y, (1, 1))).graph.constants.values()
    assert (constant.array.tolist(), constant.type.params.exponent) == ([[64]], 3)


def test_per_channel_weights_by_qdq():
    build = ModelBuilder()
    scales, zeros = np.array([0.125, 0.0625], np.float32), [0, 0]
    w = build.qdq(build.constant(WEIGHTS), scales, zeros, axis=0)
    y = build.node("Gemm", [build.quantizer("x", 4), w], transB=1)
    (constant,) = assert_identical(build.model(y)).graph.constants.values()
    assert constant.type.params.exponents == (3, 4)
    assert constant.type.params.axis == 0


def test_per_channel_weights_by_fake_quantization():
    build = ModelBuilder()
    w, scale = build.constant(WEIGHTS), build.constant([[8.0], [16.0]])
    clamped = build.clip(build.node("Round", [build.node("Mul", [w, scale])]), -128, 127)
    y = build.node("Gemm", [build.quantizer("x", 4), build.node("Div", [clamped, scale])], transB=1)
    (constant,) = assert_identical(build.model(y)).graph.constants.values()
    assert constant.type.params.exponents == (3, 4)


def test_transposed_weights_keep_their_channels():
    build = ModelBuilder()
    w = build.qdq(build.constant(WEIGHTS), [0.125, 0.0625], [0, 0], axis=0)
    y = build.node("MatMul", [build.quantizer("x", 4), build.node("Transpose", [w], perm=[1, 0])])
    (constant,) = assert_identical(build.model(y)).graph.constants.values()
    assert (constant.type.shape, constant.type.params.axis) == ((2, 4), 0)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_axis_of_a_per_tensor_quantizer_means_nothing(axis):
    build = ModelBuilder()
    quantize, _ = assert_identical(build.model(build.qdq("x", [0.125], [0], axis=axis))).graph
    assert quantize.type.params.axis is None


def test_unsigned_and_asymmetric():
    build = ModelBuilder()
    quantize, _ = assert_identical(build.model(build.qdq("x", 0.05, 100, np.uint8))).graph
    assert (quantize.type.dtype, quantize.type.params.zero_point) == ("u8", (100,))
    assert (quantize.attrs["qmin"], quantize.attrs["qmax"]) == (0, 255)


def test_quantize_without_zero_point_is_uint8():
    build = ModelBuilder()
    scale = build.constant(0.25)
    stored = build.node("QuantizeLinear", ["x", scale])
    quantize, _ = assert_identical(build.model(build.node("DequantizeLinear", [stored, scale]))).graph
    assert quantize.type.dtype == "u8"


def test_two_quantizers_stay_two_unless_equal():
    build = ModelBuilder()
    twice = build.quantizer(build.quantizer("x", 4), 3, "clip")
    assert [node.op for node in assert_identical(build.model(twice)).graph] == ["quantize", "quantize", "dequantize"]
    build = ModelBuilder()
    same = build.quantizer(build.quantizer("x", 4), 4, "minmax")
    assert [node.op for node in assert_identical(build.model(same)).graph] == ["quantize", "dequantize"]


def test_quantizer_behind_an_op_that_keeps_the_grid():
    build = ModelBuilder()
    y = build.quantizer(build.node("Relu", [build.quantizer("x", 4)]), 4)
    assert [node.op for node in assert_identical(build.model(y)).graph] == ["quantize", "relu", "dequantize"]
    build = ModelBuilder()
    narrow = build.quantizer("x", 4, "clip", low=-8, high=7)
    y = build.quantizer(build.clip(narrow, 0.75, 6.0), 4, "clip", low=-8, high=7)
    ops = [node.op for node in assert_identical(build.model(y)).graph]
    assert ops == ["quantize", "clip", "quantize", "dequantize"]


def test_stored_integers_at_the_borders():
    build = ModelBuilder()
    scale, zero = build.constant(0.25), build.constant(0, np.int8)
    x = build.node("DequantizeLinear", ["x", scale, zero])
    build.node("QuantizeLinear", [build.node("Relu", [x]), scale, zero], "y")
    model = build.model("y", dtype=TensorProto.INT8)
    model.graph.output[0].type.tensor_type.elem_type = TensorProto.INT8
    result = assert_identical(model)
    assert result.graph.inputs["x"].dtype == "i8"
    assert result.graph.type_of("y").dtype == "i8"


def test_folded_weights_are_recovered_and_reported():
    build = ModelBuilder()
    w = build.constant(WEIGHTS)
    result = assert_identical(build.model(build.node("Gemm", [build.quantizer("x", 4), w], transB=1)))
    (constant,) = result.graph.constants.values()
    assert constant.type.params.exponent == 3
    (warning,) = result.warnings
    assert (warning.tensor, warning.op) == (w, "Gemm")
    assert "2^-3 was recovered" in warning.what


def test_folded_weights_shared_by_two_layers():
    build = ModelBuilder()
    w, x = build.constant(WEIGHTS), build.quantizer("x", 4)
    outputs = [build.node("Gemm", [x, w], transB=1), build.node("Gemm", [x, w], transB=1)]
    result = assert_identical(build.model(outputs))
    assert len(result.graph.constants) == len(result.warnings) == 1


@pytest.mark.parametrize(
    ("values", "exponent"),
    [
        ([0.0, 0.0], 0),
        ([0.5, -1.0], 1),
        ([127.0, -128.0], 0),
        ([-256.0, 4.0], -2),
        ([128.0, 1.0], None),
        ([0.1, 0.5], None),
        ([2.0**-30, 2.0**-33], 33),
        ([np.nan], None),
        ([np.inf], None),
    ],
)
def test_smallest_exponent(values, exponent):
    assert smallest_exponent(np.array(values, np.float32)) == exponent


def test_other_scales_by_division_are_kept():
    build = ModelBuilder()
    scale = build.constant(0.3)
    rounded = build.node("Round", [build.node("Div", ["x", scale])])
    result = assert_identical(build.model(build.node("Mul", [build.clip(rounded, -128, 127), scale])))
    assert next(iter(result.graph)).type.params.scale == (float(np.float32(0.3)),)
    assert not result.warnings


def test_other_scales_by_multiplication_are_doubtful():
    build = ModelBuilder()
    scale = build.constant(3.0)
    rounded = build.node("Round", [build.node("Mul", ["x", scale])])
    (warning,) = imported(build.model(build.node("Div", [build.clip(rounded, -128, 127), scale]))).warnings
    assert "multiplies by 3, no power of two" in warning.what


def test_other_scales_by_division_at_both_ends_are_doubtful():
    build = ModelBuilder()
    rounded = build.node("Round", [build.node("Div", ["x", build.constant(0.3)])])
    y = build.node("Div", [build.clip(rounded, -128, 127), build.constant(1 / 0.3)])
    assert len(imported(build.model(y)).warnings) == 1


def test_nearly_the_same_power_of_two_is_another_scale():
    build = ModelBuilder()
    rounded = build.node("Round", [build.node("Mul", ["x", build.constant(16.00001)])])
    (text,) = problems(build.model(build.node("Div", [build.clip(rounded, -128, 127), build.constant(16.0)])))
    assert "does not undo the scale" in text


def test_chain_that_does_not_undo_its_scale():
    build = ModelBuilder()
    rounded = build.node("Round", [build.node("Mul", ["x", build.constant(16.0)])])
    (text,) = problems(build.model(build.node("Div", [build.clip(rounded, -128, 127), build.constant(8.0)])))
    assert 'does not undo the scale of its first node, Mul "Mul_0"' in text


def test_lone_round_gets_a_hint():
    build = ModelBuilder()
    (text,) = problems(build.model(build.node("Round", ["x"])))
    assert "A fake quantizer is recognized as Mul, Round, Clip" in text
