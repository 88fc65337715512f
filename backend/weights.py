"""The constants of all layers, packed into one blob for each memory that holds some."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..compiler.ir import Array, Graph, Node
from ..compiler.plan import Address, Invocation, KernelDef, Weights
from ..compiler.schedule import WeightUse, place_weights
from .target import Target

Addresses = Mapping[str, Address | None]


def pack_weights(
    graph: Graph, chosen: Sequence[tuple[Node, KernelDef]], budget: int, target: Target
) -> tuple[tuple[Weights, ...], list[Addresses]]:
    """All constants, at most `budget` bytes of them in internal memory, and the address of each layer's by name.

    The first blob is called `weights`, and so is the only one; one in external memory beside it `weights_psram`.
    """
    calls = [(kernel, Invocation(graph, node)) for node, kernel in chosen]
    packed = [kernel.constants(call) for kernel, call in calls]
    uses = [
        WeightUse(_packed_size(constants, target.alignment), kernel.passes(call))
        for constants, (kernel, call) in zip(packed, calls, strict=True)
    ]
    memories = place_weights(uses, budget)
    used = {memory for memory, use in zip(memories, uses, strict=True) if use.size}
    blobs = {memory: WeightsBlob(target.alignment) for memory in ("l2mem", "psram")}
    names = {"l2mem": "weights", "psram": "weights_psram" if "l2mem" in used else "weights"}
    addresses: list[Addresses] = []
    for memory, constants in zip(memories, packed, strict=True):
        offsets = blobs[memory].add(constants)
        addresses.append({name: None if at is None else Address(names[memory], at) for name, at in offsets.items()})
    kept = [memory for memory in blobs if memory in used] or ["l2mem"]
    return tuple(Weights(names[memory], memory, blobs[memory].bytes()) for memory in kept), addresses


def _packed_size(constants: Mapping[str, Array | None], alignment: int) -> int:
    sizes = (array.nbytes for array in constants.values() if array is not None)
    return sum(-(-size // alignment) * alignment for size in sizes)


class WeightsBlob:
    """Constants one behind the other, each aligned; equal ones are stored once."""

    def __init__(self, alignment: int) -> None:
        self.alignment = alignment
        self._data = bytearray()
        self._offsets: dict[bytes, int] = {}

    def add(self, constants: Mapping[str, Array | None]) -> dict[str, int | None]:
        """Append arrays, little-endian; returns the offset of each, None where there is none."""
        return {name: None if array is None else self._append(array) for name, array in constants.items()}

    def _append(self, array: Array) -> int:
        data = np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()
        if data not in self._offsets:
            self._offsets[data] = len(self._data)
            self._data += data + bytes(-len(data) % self.alignment)
        return self._offsets[data]

    def bytes(self) -> bytes:
        """The blob."""
        return bytes(self._data)
