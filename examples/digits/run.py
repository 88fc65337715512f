"""Compile the digits network, run it on the simulated chip, and prove its outputs against onnxruntime."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

import p4c

HERE = Path(__file__).parent


def main() -> int:
    """Exit status 0 when every held-out image gives onnxruntime's output bit for bit."""
    with np.load(HERE / "digits.npz") as data:
        images, labels = data["x"], data["y"]
    model = p4c.compile(HERE / "digits.onnx")
    logits = model.run(images[:10])
    print("labels   ", labels[:10])
    print("predicted", np.argmax(logits, axis=1))
    verdict = model.verify(images, labels)
    print(f"{verdict.identical} of {verdict.rows} rows identical, {verdict.correct} labels right")
    return 0 if verdict.passed else 1


if __name__ == "__main__":
    sys.exit(main())
