"""What people are told about quantizers and operators that are not supported, and all problems in one run."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from p4c.compiler.errors import ModelError
from p4c.frontend.reader import ImportOptions, import_model

from .frontend_models import ModelBuilder, one_problem, problems

# Quantizers


@pytest.mark.parametrize(
    ("scale", "zero", "dtype", "opset", "text"),
    [
        (0.25, 0, np.int16, 21, "quantizes to int16; accepted: int8 or uint8"),
        (0.25, 0, np.uint16, 21, "quantizes to uint16; accepted: int8 or uint8"),
        ([0.25] * 4, [0] * 4, np.int8, 18, "quantizes an activation with 4 scales along axis 1, expected one scale"),
        ([0.25] * 3, [0] * 3, np.int8, 18, "has 3 scales along axis 1 of a tensor of shape [1, 4]"),
        ([0.25] * 4, [0] * 2, np.int8, 18, "has 4 scales and 2 zero points, expected as many"),
        (0.0, 0, np.int8, 18, "has the scale 0, expected finite scales above zero"),
        (np.nan, 0, np.int8, 18, "has the scale nan, expected finite scales above zero"),
    ],
)
def test_quantizer_of_another_kind(scale, zero, dtype, opset, text):
    build = ModelBuilder()
    found = one_problem(build.model(build.qdq("x", scale, zero, dtype), opset=opset))
    assert text in found
    assert 'node "DequantizeLinear_1" (DequantizeLinear)' in found or 'node "QuantizeLinear_0"' in found


def test_four_bit_weights():
    build = ModelBuilder()
    model = build.model(build.node("Gemm", [build.quantizer("x", 4), build.dq(np.eye(4), 0.25)]), opset=21)
    for index in (2, 4):
        tensor = model.graph.initializer[index]
        array = numpy_helper.to_array(tensor)
        packed = helper.make_tensor(tensor.name, TensorProto.INT4, array.shape, array.ravel())
        tensor.CopyFrom(packed)
    assert "quantizes to int4; accepted: int8 or uint8" in one_problem(model)


def test_blocked_weights():
    build = ModelBuilder()
    w = build.dq(np.eye(4), np.full((4, 2), 0.25), block_size=2, axis=1)
    model = build.model(build.node("Gemm", [build.quantizer("x", 4), w]), opset=21)
    assert "quantizes in blocks of 2 along axis 1" in one_problem(model)


def test_scale_of_two_axes():
    build = ModelBuilder()
    w = build.dq(np.eye(4), np.full((4, 2), 0.25))
    text = one_problem(build.model(build.node("Gemm", [build.quantizer("x", 4), w])))
    assert "has a scale of shape [4, 2], expected one number or a vector" in text


def test_scale_in_half_precision():
    build = ModelBuilder()
    scale, zero = build.constant(0.25, np.float16), build.constant(0, np.int8)
    x = build.node("QuantizeLinear", [build.node("Cast", ["x"], to=TensorProto.FLOAT16), scale, zero])
    text = problems(build.model(build.node("DequantizeLinear", [x, scale, zero]), opset=19))[0]
    assert "has a scale of type float16, expected float32" in text


def test_zero_point_of_another_type():
    build = ModelBuilder()
    integers = build.constant(np.eye(4), np.int8)
    w = build.node("DequantizeLinear", [integers, build.constant(0.5), build.constant(0, np.uint8)])
    text = one_problem(build.model(build.node("Gemm", [build.quantizer("x", 4), w])))
    assert "has a zero point of type uint8 for integers of type int8, expected the same type" in text


def test_pair_that_does_not_match():
    build = ModelBuilder()
    zero = build.constant(0, np.int8)
    stored = build.node("QuantizeLinear", ["x", build.constant(0.5), zero])
    text = one_problem(build.model(build.node("DequantizeLinear", [stored, build.constant(0.25), zero])))
    assert 'has i8, scale 2^-2, but its QuantizeLinear "QuantizeLinear_0" has i8, scale 2^-1' in text


def test_dynamic_quantization():
    build = ModelBuilder()
    scale = build.node("ReduceMax", ["x"], keepdims=0)
    stored = build.node("QuantizeLinear", ["x", scale, build.constant(0, np.int8)])
    y = build.node("DequantizeLinear", [stored, scale, build.constant(0, np.int8)])
    assert "computes its scale at run time, expected a constant" in "".join(problems(build.model(y)))


def test_operator_on_integers():
    build = ModelBuilder()
    params = [build.constant(0.5), build.constant(0, np.int8)]
    stored = build.node("Abs", [build.node("QuantizeLinear", ["x", *params])])
    text = one_problem(build.model(build.node("DequantizeLinear", [stored, *params]), (1, 1, 4, 4)))
    assert 'dequantizes the result of Abs "Abs_1", expected that of a QuantizeLinear' in text


def test_lone_quantize_linear():
    build = ModelBuilder()
    stored = build.node("QuantizeLinear", ["x", build.constant(0.5), build.constant(0, np.int8)])
    text = one_problem(build.model(build.node("Cast", [stored], to=TensorProto.FLOAT)))
    assert "the operator QuantizeLinear is not supported" in text
    assert "It is recognized together with the DequantizeLinear that follows it" in text


def test_wide_clamp():
    build = ModelBuilder()
    text = one_problem(build.model(build.quantizer("x", 8, "clip", low=-32768, high=32767)))
    assert "quantizes to -32768..32767, expected whole bounds within -128..127 or 0..255" in text


def test_missing_quantizer_between_layers():
    build = ModelBuilder()
    w = build.dq(np.eye(4), 0.25)
    hidden = build.node("Relu", [build.node("Gemm", [build.quantizer("x", 4), w])])
    text = one_problem(build.model(build.node("Gemm", [hidden, w])))
    assert text.startswith('node "Gemm_5" (Gemm), tensor "t4": takes a float tensor, made by Relu "Relu_4"')


def test_weights_off_the_grid():
    build = ModelBuilder()
    w = build.constant([[0.5, 0.3], [0.25, 1.0]])
    text = one_problem(build.model(build.node("Gemm", [build.quantizer("x", 4), w]), (1, 2)))
    assert text.startswith(f'node "Gemm_2" (Gemm), tensor "{w}": has float weights on no grid')
    assert "on the best one, e = 6, element 1 = 0.300000012 is 0.2 steps off" in text


def test_weights_that_are_not_finite():
    build = ModelBuilder()
    y = build.node("Gemm", [build.quantizer("x", 4), build.constant([[0.5, np.nan], [np.inf, 1]])])
    assert "has weights with 2 values that are not finite" in one_problem(build.model(y, (1, 2)))


def test_constants_that_are_not_finite():
    build = ModelBuilder()
    w = build.quantizer(build.constant([[np.nan, 1.0]]), 3)
    text = one_problem(build.model(build.node("Gemm", [build.quantizer("x", 4), w], transB=1), (1, 2)))
    assert "takes a constant with 1 of 2 values that are not finite" in text


def test_clip_bounds_of_several_elements():
    build = ModelBuilder()
    y = build.node("Clip", [build.quantizer("x", 4), build.constant([0.0, 1.0])])
    assert "has a lower bound of shape [2], expected one number" in one_problem(build.model(y))


def test_float_model_is_said_once():
    build = ModelBuilder()
    w = build.constant(np.random.default_rng(0).normal(size=(4, 4)))
    hidden = build.node("Add", [build.node("MatMul", ["x", w]), build.constant(np.ones(4))])
    text = one_problem(build.model(build.node("Gemm", [build.node("Relu", [hidden]), w])))
    assert "this is a float model, expected a quantized one" in text


# Operators


def test_unsupported_operator():
    build = ModelBuilder()
    text = one_problem(build.model(build.quantizer(build.node("LRN", ["x"], size=3), 4)))
    assert text.startswith(
        'node "LRN_0" (LRN), tensor "t0": the operator LRN is not supported, expected one of those '
    )


@pytest.mark.parametrize(("op", "domain"), [("Fancy", "custom"), ("NoSuchOperator", "")])
def test_unknown_operator(op, domain):
    build = ModelBuilder()
    y = build.node("Gemm", [build.node(op, ["x"], domain=domain), build.dq(np.eye(4), 0.25)])
    shown = f"{domain}.{op}" if domain else op
    assert f"the operator {shown} is not supported" in one_problem(build.model(y))


@pytest.mark.parametrize(
    ("op", "inputs", "shape", "attrs", "text"),
    [
        (
            "Conv",
            [(np.ones((2, 2, 3)), 0.5)],
            (1, 2, 4, 4),
            {},
            "has weights of shape [2, 2, 3] for an input of 4 axes, expected as many",
        ),
        ("Conv", [(np.ones((2, 3, 1, 1)), 0.5)], (1, 2, 4, 4), {}, "input [1,2,4,4] and weights [2,3,1,1]"),
        ("Conv", [(np.ones((2, 2, 5, 5)), 0.5)], (1, 2, 4, 4), {}, "a window of 5 does not fit"),
        ("Conv", [(np.ones((2, 2, 1, 1)), 0.5)], (1, 2, 4, 4), {"pads": [-1, 0, 0, 0]}, "has pads [-1, 0, 0, 0]"),
        ("Conv", [(np.ones((2, 2, 1, 1)), 0.5)], (1, 2, 4, 4), {"auto_pad": "SAME"}, "has auto_pad SAME, expected"),
        (
            "Conv",
            [(np.ones((2, 2, 1, 1)), 0.5)],
            (1, 2, 4, 4),
            {"strides": [1]},
            "has strides [1], expected a positive",
        ),
        ("Conv", ["x"], (2, 2, 4, 4), {}, "computes its weights at run time, expected a constant"),
        ("MatMul", [(np.ones((2, 4, 4)), 0.5)], (1, 4), {}, "has a right operand of shape [2, 4, 4]"),
        ("MatMul", [(np.ones((4, 4)), 0.5)], (1, 4, 3), {}, "takes an input of shape [1, 4, 3], expected [..., 4]"),
        ("MaxPool", [], (1, 2), {"kernel_shape": [2]}, "takes an input of 2 axes, expected [N, C, H, W] or"),
        ("AveragePool", [], (1, 2, 4, 4), {"kernel_shape": [2, 2], "dilations": [2, 2]}, "has dilations [2, 2]"),
        ("Cast", [], (1, 4), {"to": TensorProto.FLOAT16}, "to float16, expected float32 to float32"),
    ],
)
def test_layer_problems(op, inputs, shape, attrs, text):
    build = ModelBuilder()
    operands = [build.dq(*args) if isinstance(args, tuple) else args for args in inputs]
    model = build.model(build.node(op, [build.quantizer("x", 4), *operands], **attrs), shape, opset=19)
    found = problems(model, input_dims={"x:0": 1} if shape[0] == 2 else {})
    assert any(text in problem and f"({op})" in problem for problem in found), found


def test_per_channel_scales_along_the_wrong_axis():
    build = ModelBuilder()
    w = build.dq(np.eye(4), np.full(4, 0.5), axis=1)
    text = one_problem(build.model(build.node("Gemm", [build.quantizer("x", 4), w], transB=1)))
    assert "one scale per index of axis 1, expected the output channels, axis 0" in text


def test_reshaped_channels():
    build = ModelBuilder()
    w = build.node("Reshape", [build.dq(np.eye(4), np.full(4, 0.5), axis=0), build.constant([2, 8], np.int64)])
    text = one_problem(build.model(build.node("MatMul", [build.quantizer("x", 4), w]), (1, 2)))
    assert "reshapes weights with one scale per channel" in text


def test_bias_of_another_shape():
    build = ModelBuilder()
    y = build.node("Gemm", [build.quantizer("x", 4), build.dq(np.eye(4), 0.5), build.constant([[1.0], [2.0]])])
    assert "has a bias of shape [2, 1], expected [4]" in one_problem(build.model(y))


def test_second_outputs():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    build.nodes.append(helper.make_node("MaxPool", [x], ["y", "at"], name="pool", kernel_shape=[2, 2]))
    build.nodes.append(helper.make_node("Dropout", [x], ["z", "mask"], name="drop"))
    used = build.node("Where", ["mask", "z", "z"])
    texts = problems(build.model(["y", used], (1, 1, 4, 4)))
    assert "gives the indices of the maxima too" in texts[0]
    assert "gives its mask to other nodes" in texts[1]


def test_dropout_in_training():
    build = ModelBuilder()
    y = build.node("Dropout", ["x", "", build.constant(True, np.bool_)])
    assert "is in training mode, expected inference" in one_problem(build.model(y))


def test_output_that_needs_no_input():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    constant = build.node("Relu", [build.constant([1.0])])
    assert f'tensor "{constant}": the output does not depend on any input' in one_problem(build.model([x, constant]))


def test_all_problems_in_one_run():
    build = ModelBuilder()
    odd = build.node("Erf", [build.quantizer("x", 4)])
    off_grid = build.constant(np.full((4, 4), 0.3))
    hidden = build.node("Gemm", [build.qdq(odd, 0.25, 0, np.int16), off_grid])
    missing = build.node("Gemm", [build.node("Relu", [hidden]), build.dq(np.eye(4), 0.5), ""])
    last = build.node("Gemm", [build.node("Tan", [missing]), build.dq(np.eye(4), 0.5)], alpha=0.3)
    with pytest.raises(ModelError) as error:
        import_model(
            build.model(last, (1, "width"), opset=21).SerializeToString(),
            ImportOptions(input_dims={"nowhere": 1}, input_exponents={"other": 2}),
        )
    found = "\n".join(problem.what for problem in error.value.problems)
    texts = (
        "dynamic",
        "--input-dim nowhere",
        "int16",
        "Erf",
        "no grid",
        "Tan",
        "has alpha",
        "--input-exponent other",
    )
    assert all(text in found for text in texts)
    assert len(error.value.problems) == len(texts)


def test_operators_newer_than_the_opset():
    """ESP-PPQ writes opset 13 whatever the nodes are: an operator, or only the form of one, that came later."""
    for op, opset, extra in (("HardSwish", 14, []), ("ReduceMean", 18, [1])):
        build = ModelBuilder()
        operands = [build.quantizer("x", 4), *(build.constant([axis], np.int64) for axis in extra)]
        y = build.quantizer(build.node(op, operands), 4)
        text = one_problem(build.model(y, opset=13))
        assert f"the model has opset 13, but its operators are those of opset {opset}: " in text
        assert op in text
        assert f"Set the version in its opset_import to {opset}" in text
