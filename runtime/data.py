"""Reading test data: .npz and .npy files into arrays that fit a model's inputs."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..compiler.errors import InputError
from ..compiler.ir import Array
from ..compiler.plan import Plan


@dataclass(frozen=True)
class Normalization:
    """How pixels become a float input: (x / 255 - mean) / std per channel, in float32 and in this order.

    Without channels (`mean` empty) a pixel is its own value.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]

    @classmethod
    def parse(cls, text: str) -> Normalization:
        """From `MEAN..,STD..`, 2 * C numbers, or `none`; InputError when it is neither."""
        if text == "none":
            return cls((), ())
        try:
            values = tuple(float(part) for part in text.split(","))
        except ValueError:
            values = ()
        half = len(values) // 2
        if not values or len(values) % 2 or not all(np.isfinite(values)) or 0.0 in values[half:]:
            advice = "give C means, then C standard deviations, e.g. --normalize 0.1307,0.3081; or --normalize none"
            raise InputError(f"--normalize {text!r} is not 2*C finite numbers with nonzero deviations", advice)
        return cls(values[:half], values[half:])

    def apply(self, pixels: Array, axis: int) -> Array:
        """float32 inputs for uint8 pixels whose channels lie along `axis`."""
        x = pixels.astype(np.float32)
        if not self.mean:
            return x
        shape = [-1 if index == axis else 1 for index in range(x.ndim)]
        mean, std = (np.array(values, np.float32).reshape(shape) for values in (self.mean, self.std))
        out: Array = (x / np.float32(255) - mean) / std
        return out

    def channel_axis(self, shape: Sequence[int]) -> int:
        """The axis of an input shape that has as many entries as there are channels; InputError when none has."""
        if len(self.mean) == 1 or not self.mean:
            return 1 if len(shape) > 1 else 0
        axes = [axis for axis in (1, len(shape) - 1) if len(shape) > 2 and shape[axis] == len(self.mean)]
        if not axes:
            what = f"--normalize gives {len(self.mean)} channels, the input has shape {list(shape)}"
            raise InputError(what, "give one mean and one deviation, or as many as the input has channels")
        return axes[0]

    def pixel_table(self, channels: int) -> Array:
        """float32 [C, 256]: the input for every channel and pixel value."""
        pixels = np.broadcast_to(np.arange(256, dtype=np.uint8), (max(len(self.mean), channels), 256))
        return self.apply(pixels, 0)


@dataclass(frozen=True)
class InputSpec:
    """Name, shape (batch first, 1) and dtype of an ONNX input."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]


@dataclass(frozen=True)
class Data:
    """Arrays by input name, [N, ...] each, and class labels [N] where the file has them."""

    inputs: dict[str, Array]
    labels: Array | None

    def limited(self, rows: int | None) -> Data:
        """The first `rows` rows; all of them for None."""
        labels = None if self.labels is None else self.labels[:rows]
        return Data({name: array[:rows] for name, array in self.inputs.items()}, labels)


def load_data(path: Path, inputs: Sequence[InputSpec], normalization: Normalization | None) -> Data:
    """Read a .npy (the only input) or .npz: array `input`, `x` or the input's name, and labels `y`.

    Missing batch and channel axes are added; uint8 images for a float input go through `normalization`.
    InputError when the file cannot be read or does not fit the model.
    """
    arrays = _read(path)
    found: dict[str, Array] = {}
    for spec in inputs:
        array = _pick(arrays, spec.name, path, only=len(inputs) == 1)
        found[spec.name] = _fitted(array, spec, normalization, path)
    labels = None if "y" in found else arrays.get("y")
    rows = len(next(iter(found.values())))
    if labels is not None and labels.shape != (rows,):
        what = f"{path}: labels y have shape {list(labels.shape)}, expected [{rows}]"
        raise InputError(what, "give one label for each row, or leave y out")
    return Data(found, labels)


def load_raw(path: Path, plan: Plan) -> dict[str, Array]:
    """Stored integers for `run(raw=True)`, from arrays named as for load_data and unchanged."""
    arrays = _read(path)
    only = len(plan.inputs) == 1
    return {border.name: _pick(arrays, border.name, path, only=only) for border in plan.inputs}


def _pick(arrays: dict[str, Array], name: str, path: Path, *, only: bool) -> Array:
    """The array of an input; the `only` one may have other names."""
    names = [name, *(("input", "x", "") if only else ())]
    key = next((name for name in names if name in arrays), None)
    if key is None:
        has = "one array without a name" if "" in arrays else ", ".join(map(repr, arrays)) or "nothing"
        advice = f"save it as numpy.savez(path, {name if name.isidentifier() else 'input'}=x)"
        raise InputError(f"{path} has no array for the input {name!r}; it holds {has}", advice)
    return arrays[key]


def _read(path: Path) -> dict[str, Array]:
    advice = "write the file with numpy.save or numpy.savez"
    try:
        loaded = np.load(path, allow_pickle=False)
        if isinstance(loaded, np.ndarray):
            return {"": loaded}
        with loaded:
            return {name: loaded[name] for name in loaded.files}
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", "check the path") from error
    except (ValueError, EOFError, zipfile.BadZipFile, KeyError) as error:
        raise InputError(f"{path} is no whole .npy or .npz file of plain arrays", advice) from error


def _fitted(array: Array, spec: InputSpec, normalization: Normalization | None, path: Path) -> Array:
    array = _with_axes(array, spec, path)
    if spec.dtype != np.float32 or array.dtype == np.float32:
        return array
    if array.dtype == np.uint8:
        if normalization is None:
            what = f"{path}: uint8 data for the float input {spec.name!r}"
            advice = "say how pixels become inputs: --normalize MEAN,STD or, for their plain values, --normalize none"
            raise InputError(what, advice)
        return normalization.apply(array, normalization.channel_axis(spec.shape))
    if array.dtype == np.float64:
        return array.astype(np.float32)
    what = f"{path}: the array for input {spec.name!r} is {array.dtype}, expected float32 or uint8"
    raise InputError(what, "convert it: x.astype(numpy.float32)")


def _with_axes(array: Array, spec: InputSpec, path: Path) -> Array:
    """[N, ...] as the input wants it, from an array that may lack the batch axis and a channel axis of size 1."""
    wanted = spec.shape[1:]
    squeezed = tuple(size for axis, size in enumerate(wanted) if axis or size != 1)
    for shape in (wanted, squeezed):
        if array.shape[1:] == shape and array.ndim == len(shape) + 1:
            return array.reshape(len(array), *wanted)
        if array.shape == shape:
            return array.reshape(1, *wanted)
    what = f"{path}: the array for input {spec.name!r} has shape {list(array.shape)}"
    expected = ", ".join(map(str, ("N", *wanted)))
    raise InputError(f"{what}, expected [{expected}]", "reshape the array; the first axis counts rows")
