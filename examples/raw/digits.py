"""Run digits.c, the digits network by hand, on a virtual board; compare it with what p4c makes of that network."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from qdq_weights import Layer, read_layers, stored

import p4c

HERE = Path(__file__).parent
MODEL = HERE.parent / "digits" / "digits.onnx"


def half_units(layer: Layer) -> np.ndarray:
    """The bias in half units of the accumulator; odd where it lies between two units, see digits.c."""
    units = layer.bias * 2.0 ** (layer.input_exponent + layer.exponent)
    return (2 * np.floor(units) + (units != np.floor(units))).astype(np.int32)


def arguments(layers: list[Layer]) -> tuple[object, ...]:
    """What digits() takes between the image and its scratch memory."""
    first, second, last = layers
    made: list[object] = []
    for layer, following in ((first, second), (second, last)):
        shift = layer.input_exponent + layer.exponent - following.input_exponent
        made += [layer.weights, half_units(layer), shift]
    scale = 2.0 ** -(last.input_exponent + last.exponent)
    return (*made, last.weights, last.bias, scale)


def main() -> int:
    """Exit status 0 when C by hand and p4c give the same logits, bit for bit, for every image."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="sim-board", help="a port, or sim-board (default)")
    parser.add_argument("--images", type=int, help="how many, default all")
    options = parser.parse_args()
    with np.load(HERE.parent / "digits" / "digits.npz") as data:
        images, labels = data["x"][: options.images], data["y"][: options.images]
    layers = read_layers(MODEL)
    given = arguments(layers)
    same = right = cycles = 0
    with p4c.connect(options.device) as board:
        expected = {}
        for name, pie in (("p4c, scalar", False), ("p4c, SIMD", True)):
            with board.load(p4c.compile(MODEL, pie=pie, chip_rev=board.chip_rev or "v3")) as model:
                logits = model(images)
                expected[name] = model.cycles
        scratch = np.zeros(board.jit(HERE / "digits.c", "scratch_bytes")(), np.int8)
        digits = board.jit(HERE / "digits.c", "digits")
        print(digits.signature)
        for image, label, wanted in zip(images, labels, logits, strict=True):
            found = np.zeros(10, np.float32)
            predicted = digits(stored(image, layers[0].input_exponent), *given, scratch, found)
            same += np.array_equal(found, wanted)
            right += predicted == label
            cycles = max(cycles, digits.cycles)
        print(f"{same} of {len(images)} images give the logits of p4c, bit for bit")
        print(f"accuracy {100 * right / len(images):.2f} %")
        for name, count in {"C by hand": cycles, **expected}.items():
            print(f"{name:12} {count:9,} {board.counts} for the slowest image")
    return 0 if same == len(images) else 1


if __name__ == "__main__":
    sys.exit(main())
