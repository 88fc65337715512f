"""What people are told about bad files, opsets, dimensions and inputs: one sentence of fact, one of advice."""

import contextlib
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto

from p4c.compiler.errors import ModelError
from p4c.compiler.ir import TensorType
from p4c.frontend.opset import newest_opset
from p4c.frontend.reader import import_model, input_types

from .frontend_models import ModelBuilder, assert_identical, imported, one_problem, problems


def gemm_model(shape=(1, 4), opset=18) -> onnx.ModelProto:
    build = ModelBuilder()
    w = build.dq(np.arange(12).reshape(4, 3), 0.25)
    return build.model(build.node("Gemm", [build.quantizer("x", 4), w]), shape, opset=opset)


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
