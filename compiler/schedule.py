"""What runs from where, and in which order: pure functions of a network's sizes and of a cost model.

All costs are cycles that a core waits for its L1 cache, by the cost model: estimates, good for comparing two plans.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CostModel:
    """Caches and what their misses cost, in cycles for each line of `line` bytes.

    `l2mem_miss` brings a line from internal memory; `victim` is what writing back an evicted line adds.
    """

    l1_bytes: int
    line: int
    l2mem_miss: int
    victim: int


@dataclass(frozen=True)
class WeightUse:
    """The constants of one layer: their size, and how often an inference reads all of them past the L1 cache."""

    size: int
    passes: int


def place_weights(uses: Sequence[WeightUse], budget: int) -> list[str]:
    """The memory of each layer's constants, "l2mem" or "psram", such that those in l2mem fit `budget` bytes.

    A line of external memory costs the same wherever it lies, so what is read most often saves most cycles for each
    byte and goes first; of equals the larger does, which leaves the smaller to fill the rest.
    """
    order = sorted(range(len(uses)), key=lambda i: (-uses[i].passes, -uses[i].size, i))
    memories = ["psram"] * len(uses)
    for index in order:
        if uses[index].size <= budget:
            budget -= uses[index].size
            memories[index] = "l2mem"
    return memories


@dataclass(frozen=True)
class Blocks:
    """A layer whose output channels are computed in blocks, each of which goes over the same input rows.

    `rows` output rows; an output row needs `step` new bytes of input, a first one `overlap` more, and makes
    `output_row` bytes, all channels together. A block has `block` bytes of weights.
    """

    rows: int
    step: int
    overlap: int
    output_row: int
    blocks: int
    block: int


def rows_per_tile(layer: Blocks, model: CostModel) -> int:
    """How many output rows all blocks go over before the next rows begin; all of them, if nothing else is cheaper.

    Few rows keep their input in the L1 cache from block to block, but read the weights again for each tile.
    """
    sizes = sorted({-(-layer.rows // tiles) for tiles in range(1, layer.rows + 1)}, reverse=True)
    return min(sizes, key=lambda rows: tile_cycles(layer, rows, model))


def tile_cycles(layer: Blocks, rows: int, model: CostModel) -> int:
    """L1 misses of a layer in tiles of so many output rows.

    A tile's input and output come from memory once if they fit the cache beside a block's weights, and once for each
    block if not; likewise all weights for each tile. Half the cache counts: it has two ways, and buffers lie
    anywhere.
    """
    room = model.l1_bytes // 2
    tiles = -(-layer.rows // rows)
    tile_input, tile_output = rows * layer.step + layer.overlap, rows * layer.output_row
    passes = 1 if layer.blocks == 1 or tile_input + tile_output + layer.block <= room else layer.blocks
    again = 1 if tiles == 1 or layer.blocks * layer.block + tile_input + tile_output <= room else tiles

    def lines(size: int) -> int:
        return -(-size // model.line)

    read = tiles * lines(tile_input) * passes + lines(layer.blocks * layer.block) * again
    written = tiles * lines(tile_output) * min(passes, layer.blocks)
    return read * model.l2mem_miss + written * (model.l2mem_miss + model.victim)
