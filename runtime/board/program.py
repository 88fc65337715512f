"""What a device is told of a compiled model beside its image: how to name its code, and how long it may take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ...backend.image import Image

# What people call the regions of an image.
MEMORIES = {"any": "memory", "l2mem": "internal memory", "psram": "PSRAM", "tcm": "tightly coupled memory"}


@dataclass(frozen=True)
class Program:
    """An image and what only its compiler knows.

    `symbolize` turns an offset into the code segment into words: function, and ONNX node. `macs` are those of one
    inference; `pie` says whether the code needs the vector unit of the image's chip revision.
    """

    name: str
    image: Image
    macs: int
    pie: bool
    symbolize: Callable[[int], str]
