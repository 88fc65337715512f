"""What people are told about a bad model: one sentence of fact, one of advice, all problems in one run."""

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from p4c.compiler.errors import ModelError
from p4c.compiler.ir import TensorType
from p4c.frontend.opset import newest_opset
from p4c.frontend.reader import ImportOptions, import_model, input_types

from .frontend_models import ModelBuilder, assert_identical, imported, problems


def gemm_model(shape=(1, 4), opset=18) -> onnx.ModelProto:
    build = ModelBuilder()
    w = build.dq(np.arange(12).reshape(4, 3), 0.25)
    return build.model(build.node("Gemm", [build.quantizer("x", 4), w]), shape, opset=opset)


def one_problem(source, **options) -> str:
    (text,) = problems(source, **options)
    return text


def file_problem(path: Path) -> str:
    with pytest.raises(ModelError) as error:
        import_model(path)
    assert error.value.file == str(path)
    return str(error.value)


# Files


def test_missing_file(tmp_path):
    assert 'there is no file "' in file_problem(tmp_path / "nothing.onnx")


def test_folder(tmp_path):
    assert "is a folder, expected an ONNX file" in file_problem(tmp_path)


def test_unreadable_file(tmp_path, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "cannot be read: Permission denied" in file_problem(tmp_path / "model.onnx")


def test_empty_file(tmp_path):
    (tmp_path / "model.onnx").touch()
    assert "the file is empty (0 bytes)" in file_problem(tmp_path / "model.onnx")


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_truncated_file(tmp_path, part):
    data = gemm_model().SerializeToString()
    path = tmp_path / "model.onnx"
    path.write_bytes(data[: int(len(data) * part)])
    assert "the file is truncated: it ends after" in file_problem(path)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello world, this is no model", "the file is not an ONNX model"),
        (b"\x08\x08", "it holds no graph with an output"),
        (b"\x08\x08\x0b", "the file is not an ONNX model"),
        (b"PK\x03\x04....", "a zip archive, perhaps a PyTorch checkpoint"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer"),
        (b"<!DOCTYPE html>", "HTML or XML"),
        (b"\x1c\0\0\0TFL3....", "a TensorFlow Lite model"),
    ],
)
def test_not_onnx(data, text):
    assert text in one_problem(data)


def test_invalid_model():
    model = gemm_model()
    model.graph.node[-1].input[0] = "undefined"
    text = one_problem(model)
    assert "the model is not valid ONNX: Nodes in a graph must be topologically sorted" in text
    assert "Gemm_3" in text


def test_names_that_are_no_text():
    data = gemm_model().SerializeToString().replace(b"t3", b"t\xff")
    assert "it holds names that are not UTF-8 text" in one_problem(data)


@pytest.mark.parametrize("change", [{"data_type": 99}, {"raw_data": b"123"}])
def test_damaged_constant(change):
    model = gemm_model()
    for field, value in change.items():
        setattr(model.graph.initializer[-1], field, value)
    found = "".join(problems(model))
    assert "is damaged: its data do not fit" in found or "is not valid ONNX: TensorProto" in found


@pytest.mark.slow
def test_damaged_bytes_never_escape_as_other_exceptions():
    random, data = np.random.default_rng(3), gemm_model(("n", 4)).SerializeToString()
    for _ in range(2000):
        damaged = bytearray(data)
        for position in random.integers(len(data), size=random.integers(1, 4)):
            damaged[position] = random.integers(256)
        with contextlib.suppress(ModelError):
            import_model(bytes(damaged))


def external_model(tmp_path: Path) -> Path:
    model = gemm_model()
    path = tmp_path / "model.onnx"
    onnx.save(model, path, save_as_external_data=True, location="weights.bin", size_threshold=0)
    return path


def test_external_data(tmp_path):
    path = external_model(tmp_path)
    assert len(import_model(path).graph.constants) == 1
    assert 'the weights are in the external file "weights.bin"' in one_problem(path.read_bytes())
    (tmp_path / "weights.bin").unlink()
    assert 'the external data file "weights.bin" with the weights is missing' in file_problem(path)


# Opsets


def test_opset_too_old():
    assert "the model has opset 9, expected 10 or above" in one_problem(gemm_model(opset=9))


def test_opset_too_new():
    text = one_problem(gemm_model(opset=newest_opset() + 1))
    assert f"the model has opset {newest_opset() + 1}, but the installed onnxruntime" in text
    assert f"runs up to {newest_opset()}" in text


def test_newest_opset_and_ir_version_run():
    model = gemm_model(opset=newest_opset())
    model.ir_version = onnx.IR_VERSION
    assert imported(model).model.ir_version == 10


def test_opset_that_cannot_be_converted(monkeypatch):
    def refuse(model, version):
        raise RuntimeError("no adapter\nfor this operator")

    monkeypatch.setattr(onnx.version_converter, "convert_version", refuse)
    text = one_problem(gemm_model(opset=12))
    assert "the model has opset 12 and cannot be converted to 13: no adapter" in text


# Dimensions


@pytest.mark.parametrize("batch", ["batch", None])
def test_open_batch_becomes_one(batch):
    assert imported(gemm_model((batch, 4))).graph.inputs["x"].shape == (1, 4)


def test_open_dimension():
    text = one_problem(gemm_model((1, "width")))
    assert text.startswith('tensor "x": axis 1 of the input is dynamic ("width"), expected a fixed size')
    assert "--input-dim width=SIZE" in text


def test_open_dimension_without_name():
    assert "--input-dim x:1=SIZE" in one_problem(gemm_model((1, None)))


@pytest.mark.parametrize(("shape", "dims"), [((1, "width"), {"width": 4}), (("n", None), {"x:1": 4, "n": 1})])
def test_given_dimensions(shape, dims):
    assert imported(gemm_model(shape), input_dims=dims).graph.inputs["x"].shape == (1, 4)


def test_wrong_dimension_names():
    text = one_problem(gemm_model(), input_dims={"height": 4})
    assert '--input-dim height: no input has that dimension; the inputs are "x"' in text


def test_dimension_below_one():
    assert "is given the size 0, expected 1 or above" in one_problem(gemm_model((1, "w")), input_dims={"w": 0})


def test_fixed_batch():
    assert "the batch (axis 0 of the input) is 8, expected 1" in one_problem(gemm_model((8, 4)))
    assert imported(gemm_model((8, 4)), input_dims={"x:0": 1}).graph.inputs["x"].shape == (1, 4)


def test_overridden_batch_reaches_declared_shapes():
    build = ModelBuilder()
    x = build.quantizer("x", 4)
    y = build.node("Reshape", [x, build.node("Shape", [build.node("Relu", [x])])])
    model = onnx.shape_inference.infer_shapes(build.model(y, (8, 4)))
    assert assert_identical(model, input_dims={"x:0": 1}).graph.type_of(y).shape == (1, 4)


def test_input_without_shape():
    model = gemm_model()
    model.graph.input[0].type.tensor_type.ClearField("shape")
    assert "the input has no shape, not even a number of axes" in one_problem(model)


# Inputs


def test_input_of_another_type():
    build = ModelBuilder()
    text = one_problem(build.model(build.node("Relu", ["x"]), dtype=TensorProto.DOUBLE))
    assert 'tensor "x": the input is double, expected float32, int8 or uint8' in text


def seed_model() -> onnx.ModelProto:
    build = ModelBuilder()
    return build.model(build.node("Gemm", ["x", build.dq(np.eye(4), 0.25)]))


def test_missing_input_quantizer():
    text = one_problem(seed_model())
    assert 'tensor "x": the model has no quantizer on this input' in text
    assert "--input-exponent x=5" in text
    assert "--calibrate data.npz" in text


def test_inputs_to_calibrate():
    (found,) = input_types(seed_model().SerializeToString()).items()
    assert found == ("x", TensorType("f32", (1, 4)))
    assert input_types(gemm_model().SerializeToString()) == {}


@pytest.mark.parametrize("name", ["x", ""])
def test_given_input_exponent(name):
    result = imported(seed_model(), input_exponents={name: 3})
    quantize = result.graph.nodes["x.q"]
    assert (quantize.loc, quantize.type.params.exponent, result.tensors["x.q"]) == ("", 3, "x")
    assert result.input_params["x"].exponent == 3


def test_unknown_input_name():
    text = problems(seed_model(), input_exponents={"y": 3})[0]
    assert '--input-exponent y=3: there is no such input; the inputs are "x"' in text


def test_input_exponent_out_of_range():
    assert "the input exponent is 400, expected -64 to 64" in one_problem(seed_model(), input_exponents={"": 400})


def test_input_exponent_on_top_of_a_quantizer():
    assert len(imported(gemm_model(), input_exponents={"": 4}).graph.nodes) == 2
    text = one_problem(gemm_model(), input_exponents={"x": 5})
    assert "quantizes the input with scale 2^-4, --input-exponent with scale 2^-5" in text


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
    stored = build.node("MaxPool", [build.node("QuantizeLinear", ["x", *params])], kernel_shape=[2, 2])
    text = one_problem(build.model(build.node("DequantizeLinear", [stored, *params]), (1, 1, 4, 4)))
    assert 'dequantizes the result of MaxPool "MaxPool_1", expected that of a QuantizeLinear' in text


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
    text = one_problem(build.model(build.quantizer(build.node("Erf", ["x"]), 4)))
    assert text.startswith(
        'node "Erf_0" (Erf), tensor "t0": the operator Erf is not supported; supported: Add, Cast,'
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
            (1, 2, 4),
            {},
            "has weights of shape [2, 2, 3], expected",
        ),
        ("Conv", [(np.ones((2, 3, 1, 1)), 0.5)], (1, 2, 4, 4), {}, "input [1,2,4,4] and weights [2,3,1,1]"),
        ("Conv", [(np.ones((2, 2, 5, 5)), 0.5)], (1, 2, 4, 4), {}, "a window of 5 does not fit"),
        ("Conv", [(np.ones((2, 2, 1, 1)), 0.5)], (1, 2, 4, 4), {"pads": [-1, 0, 0, 0]}, "has pads [-1, 0, 0, 0]"),
        ("Conv", [(np.ones((2, 2, 1, 1)), 0.5)], (1, 2, 4, 4), {"auto_pad": "SAME"}, "has auto_pad SAME, expected"),
        ("Conv", [(np.ones((2, 2, 1, 1)), 0.5)], (1, 2, 4, 4), {"strides": [1]}, "has strides [1], expected two"),
        ("Conv", ["x"], (2, 2, 4, 4), {}, "computes its weights at run time, expected a constant"),
        ("MatMul", [(np.ones((2, 4, 4)), 0.5)], (1, 4), {}, "has a right operand of shape [2, 4, 4]"),
        ("MatMul", [(np.ones((4, 4)), 0.5)], (1, 3, 4), {}, "takes an input of shape [1, 3, 4], expected [N, 4]"),
        ("MaxPool", [], (1, 2, 4), {"kernel_shape": [2]}, "takes an input of shape [1, 2, 4]"),
        ("MaxPool", [], (1, 2, 4, 4), {"kernel_shape": [2, 2], "dilations": [2, 2]}, "has dilations [2, 2]"),
        ("Cast", [], (1, 4), {"to": TensorProto.FLOAT16}, "to float16, expected float32 to float32"),
    ],
)
def test_layer_problems(op, inputs, shape, attrs, text):
    build = ModelBuilder()
    operands = [build.dq(*args) if isinstance(args, tuple) else args for args in inputs]
    model = build.model(build.node(op, [build.quantizer("x", 4), *operands], **attrs), shape)
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
    last = build.node("Gemm", [build.node("Tan", [missing]), build.dq(np.eye(4), 0.5)], transA=1)
    with pytest.raises(ModelError) as error:
        import_model(
            build.model(last, (1, "width"), opset=21).SerializeToString(),
            ImportOptions(input_dims={"nowhere": 1}, input_exponents={"other": 2}),
        )
    found = "\n".join(problem.what for problem in error.value.problems)
    texts = ("dynamic", "--input-dim nowhere", "int16", "Erf", "no grid", "Tan", "transA", "--input-exponent other")
    assert all(text in found for text in texts)
    assert len(error.value.problems) == len(texts)
