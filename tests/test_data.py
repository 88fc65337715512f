"""Test data: .npy and .npz files into what a model takes, pixels through --normalize, and files that do not fit."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p4c.compiler.errors import InputError
from p4c.runtime.data import InputSpec, Normalization, load_data

from .models import pixels, rows

F32 = np.dtype(np.float32)
IMAGE = InputSpec("x.1", (1, 1, 8, 8), F32)


def saved(folder, array=None, **arrays):
    """A .npy of one array or an .npz of several."""
    if array is not None:
        np.save(folder / "data.npy", array)
        return folder / "data.npy"
    np.savez(folder / "data.npz", **arrays)
    return folder / "data.npz"


def problem(path, specs, normalization=None):
    with pytest.raises(InputError) as caught:
        load_data(path, specs, normalization)
    [found] = caught.value.problems
    assert found.advice
    return found.what.replace(str(path), "FILE")


@pytest.mark.parametrize("key", ["x.1", "input", "x"])
def test_names_of_the_only_input(tmp_path, key):
    x, y = rows(3), np.array([1, 2, 3])
    data = load_data(saved(tmp_path, **{key: x, "y": y}), [IMAGE], None)
    np.testing.assert_array_equal(data.inputs["x.1"], x, strict=True)
    np.testing.assert_array_equal(data.labels, y)
    limited = data.limited(2)
    assert (len(limited.inputs["x.1"]), len(limited.labels)) == (2, 2)
    assert len(data.limited(None).labels) == 3
    assert len(data.limited(9).labels) == 3


def test_array_without_a_name(tmp_path):
    data = load_data(saved(tmp_path, rows(3)), [IMAGE], None)
    np.testing.assert_array_equal(data.inputs["x.1"], rows(3))
    assert data.labels is None


def test_several_inputs_go_by_their_names(tmp_path):
    specs = [InputSpec("a", (1, 6), F32), InputSpec("y", (1, 2), F32)]
    path = saved(tmp_path, a=rows(3, (6,)), y=rows(3, (2,)))
    data = load_data(path, specs, None)
    assert [array.shape for array in data.inputs.values()] == [(3, 6), (3, 2)]
    assert data.labels is None, "y is an input here"
    path = saved(tmp_path, x=rows(3, (6,)))
    assert problem(path, specs) == "FILE has no array for the input 'a'; it holds 'x'"
    assert problem(saved(tmp_path, rows(3, (6,))), specs).endswith("'a'; it holds one array without a name")


# The input's shape, and shapes of arrays with what they become.
AXES = [
    ((1, 1, 8, 8), {(3, 8, 8): (3, 1, 8, 8), (8, 8): (1, 1, 8, 8), (1, 8, 8): (1, 1, 8, 8), (3, 1, 8, 8): None}),
    ((1, 3, 8, 8), {(3, 8, 8): (1, 3, 8, 8), (2, 3, 8, 8): None}),
    ((1, 3, 3, 3), {(3, 3, 3): (1, 3, 3, 3)}),
    ((1, 64), {(64,): (1, 64), (5, 64): None, (1, 64): None}),
    ((1, 1), {(5,): (5, 1), (5, 1): None, (): (1, 1)}),
]


@pytest.mark.parametrize(("wanted", "shapes"), AXES)
def test_missing_axes_are_added(tmp_path, wanted, shapes):
    for shape, expected in shapes.items():
        array = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
        data = load_data(saved(tmp_path, input=array), [InputSpec("x", wanted, F32)], None)
        assert data.inputs["x"].shape == (expected or shape)
        np.testing.assert_array_equal(data.inputs["x"].ravel(), array.ravel())


@pytest.mark.parametrize("shape", [(3, 8, 7), (3, 2, 8, 8), (64,), (3, 64), (), (3, 8, 8, 1), (1, 3, 1, 8, 8)])
def test_other_shapes_are_refused(tmp_path, shape):
    text = f"FILE: the array for input 'x.1' has shape {list(shape)}, expected [N, 1, 8, 8]"
    assert problem(saved(tmp_path, input=np.zeros(shape, np.float32)), [IMAGE]) == text


def test_pixels_need_a_normalization(tmp_path):
    path = saved(tmp_path, input=pixels(3))
    assert problem(path, [IMAGE]) == "FILE: uint8 data for the float input 'x.1'"
    for text, expected in {
        "none": pixels(3).astype(np.float32),
        "0.1307,0.3081": (pixels(3) / np.float32(255) - np.float32(0.1307)) / np.float32(0.3081),
    }.items():
        data = load_data(path, [IMAGE], Normalization.parse(text))
        np.testing.assert_array_equal(data.inputs["x.1"], expected.reshape(3, 1, 8, 8), strict=True)
    # Floats are what they are, and integers for an integer input too.
    floats = load_data(saved(tmp_path, input=rows(3)), [IMAGE], Normalization.parse("0.5,0.5"))
    np.testing.assert_array_equal(floats.inputs["x.1"], rows(3))
    integers = InputSpec("x", (1, 1, 8, 8), np.dtype(np.uint8))
    data = load_data(saved(tmp_path, input=pixels(3)), [integers], Normalization.parse("0.5,0.5"))
    np.testing.assert_array_equal(data.inputs["x"], pixels(3, (1, 8, 8)), strict=True)


@pytest.mark.parametrize(("shape", "axis"), [((1, 3, 5, 6), 1), ((1, 5, 6, 3), 3)])
def test_channels_are_normalized_along_their_axis(tmp_path, shape, axis):
    normalization = Normalization.parse("0.1,0.2,0.3,0.5,0.25,2")
    images = pixels(2, shape[1:])
    data = load_data(saved(tmp_path, input=images), [InputSpec("x", shape, F32)], normalization)
    for channel, (mean, std) in enumerate(((0.1, 0.5), (0.2, 0.25), (0.3, 2.0))):
        plane = np.take(images, channel, axis)
        expected = (plane.astype(np.float32) / np.float32(255) - np.float32(mean)) / np.float32(std)
        np.testing.assert_array_equal(np.take(data.inputs["x"], channel, axis), expected, strict=True)
    text = "--normalize gives 3 channels, the input has shape [1, 1, 8, 8]"
    assert problem(saved(tmp_path, input=pixels(2)), [IMAGE], normalization) == text


@given(st.integers(0, 255), st.floats(-1, 1, width=32), st.floats(0.125, 4, width=32))
def test_normalization_is_float32_in_this_order(pixel, mean, std):
    expected = (np.float32(pixel) / np.float32(255) - np.float32(mean)) / np.float32(std)
    got = Normalization((mean,), (std,)).apply(np.full((1, 1), pixel, np.uint8), 1)
    np.testing.assert_array_equal(got, [[expected]], strict=True)


@pytest.mark.parametrize("text", ["", "0.5", "0.5,0.5,0.5", "a,b", "0.5,0", "nan,1", "inf,1", "0.5;0.5", "None"])
def test_normalizations_that_are_none(text):
    with pytest.raises(InputError, match="is not 2\\*C finite numbers") as caught:
        Normalization.parse(text)
    assert "--normalize" in caught.value.problems[0].advice


def test_doubles_are_taken_and_other_types_are_not(tmp_path):
    data = load_data(saved(tmp_path, input=rows(2).astype(np.float64)), [IMAGE], None)
    np.testing.assert_array_equal(data.inputs["x.1"], rows(2), strict=True)
    for dtype in (np.int32, np.float16, np.bool_, ">f4"):
        array = rows(2).astype(dtype)
        text = f"FILE: the array for input 'x.1' is {array.dtype}, expected float32 or uint8"
        assert problem(saved(tmp_path, input=array), [IMAGE]) == text


@pytest.mark.parametrize("shape", [(2,), (4,), (3, 1), ()])
def test_labels_of_wrong_length(tmp_path, shape):
    path = saved(tmp_path, input=rows(3), y=np.zeros(shape, np.int64))
    assert problem(path, [IMAGE]) == f"FILE: labels y have shape {list(shape)}, expected [3]"


def test_files_that_are_no_arrays(tmp_path):
    whole = saved(tmp_path, input=rows(3)).read_bytes()
    contents = {
        "empty.npy": b"",
        "garbage.npy": b"not an array",
        "pickle.npy": b"",
        "cut.npz": whole[: len(whole) // 2],
        "cut.npy": saved(tmp_path, rows(3)).read_bytes()[:200],
        "zip.npz": b"PK\x03\x04 but no zip",
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
    np.save(tmp_path / "pickle.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    for name in contents:
        assert problem(tmp_path / name, [IMAGE]).startswith("FILE is no whole .npy or .npz file of plain arrays"), (
            name
        )
    np.savez(tmp_path / "inside.npz", input=np.array([{"a": 1}], dtype=object))
    assert problem(tmp_path / "inside.npz", [IMAGE]).startswith("FILE is no whole .npy or .npz file of plain arrays")


def test_files_that_cannot_be_read(tmp_path):
    assert problem(tmp_path / "none.npz", [IMAGE]) == "FILE cannot be read: No such file or directory"
    assert problem(tmp_path, [IMAGE]) == "FILE cannot be read: Is a directory"
    np.savez(tmp_path / "none.npz")
    assert problem(tmp_path / "none.npz", [IMAGE]) == "FILE has no array for the input 'x.1'; it holds nothing"
