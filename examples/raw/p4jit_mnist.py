"""Run P4-JIT's own MNIST program, unchanged, with the weights of a QDQ export of its network, and check every layer.

    p4c board --lenient &
    python examples/raw/p4jit_mnist.py P4-JIT/notebooks/tutorials/t02_mnist_classification/source/mnist_inference.c \\
        mnist.onnx mnist_test.npz

The data are uint8 images `x` [N, 28, 28] and labels `y`. The program rounds down where its network was trained with
rounding to the nearest, so what it is compared with is its own arithmetic in NumPy. The board has to be lenient, or a
real one: the hardware loop in the program is shorter than Espressif allows.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from qdq_weights import Layer, read_layers, stored

import p4c

HERE = Path(__file__).parent
SCRATCH_BYTES = 65536


def network(image: np.ndarray, layers: list[Layer]) -> np.ndarray:
    """The bytes that the program leaves in its scratch memory: activations of each step, and the logits."""
    steps, x = [], image.astype(np.int32)[np.newaxis]
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        weights, bias = layer.weights.astype(np.int32), bias_of(layer).astype(np.int32) << layer.input_exponent
        if weights.ndim == 4:
            windows = sliding_window_view(np.pad(x, ((0, 0), (1, 1), (1, 1))), (3, 3), (1, 2))
            sums = np.einsum("chwij,fcij->fhw", windows, weights) + bias[:, np.newaxis, np.newaxis]
        else:
            sums = weights @ x.ravel() + bias
        if following is None:
            return np.concatenate([np.concatenate(steps), sums.astype(np.int32).view(np.int8)])
        shift = layer.input_exponent + layer.exponent - following.input_exponent
        x = np.minimum(np.maximum(sums, 0) >> shift, 127)
        steps.append(x.ravel().astype(np.int8))
        if weights.ndim == 4:
            channels, height, width = x.shape
            x = x.reshape(channels, height // 2, 2, width // 2, 2).max((2, 4))
            steps.append(x.ravel().astype(np.int8))
    raise AssertionError("a network has a layer")


def bias_of(layer: Layer) -> np.ndarray:
    """The program takes biases on the grid of the weights."""
    return stored(layer.bias, layer.exponent)


def main() -> int:
    """Exit status 0 when every byte of every layer is as expected, for each of the images."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ("source", "model", "data"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--device", default="auto", help="a port, or auto (default)")
    parser.add_argument("--images", type=int, default=10)
    options = parser.parse_args()
    layers = read_layers(options.model)
    with np.load(options.data) as data:
        images, labels = data["x"][: options.images], data["y"][: options.images]
    reals = (images.astype(np.float32) / 255 - np.float32(0.1307)) / np.float32(0.3081)
    weights = [array for layer in layers for array in (layer.weights, bias_of(layer))]
    exponents = [number for layer in layers for number in (layer.input_exponent, layer.exponent)]
    good = right = 0
    with p4c.connect(options.device) as board:
        inference = board.jit([options.source, HERE / "no_printf.c"], "mnist_inference", flags=["-O3"])
        for image, label in zip(stored(reals, layers[0].input_exponent), labels, strict=True):
            scratch, cycles = np.zeros(SCRATCH_BYTES, np.int8), np.zeros(1, np.uint32)
            predicted = inference(image, *weights, *exponents, scratch, cycles, timeout=60)
            expected = network(image, layers)
            same = np.array_equal(scratch[: expected.size], expected)
            print(
                f"label {label}, predicted {predicted}, {cycles[0]:,} cycles, {'as' if same else 'NOT as'} expected"
            )
            good, right = good + same, right + (predicted == label)
    print(f"{good} of {len(images)} images as expected in every byte of every layer, {right} labels right")
    return 0 if good == len(images) else 1


if __name__ == "__main__":
    sys.exit(main())
