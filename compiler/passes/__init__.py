"""The pass pipeline: one file per pass, one function Graph -> Graph each, in the order of PIPELINE."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import IRError
from ..ir import Graph
from ..verifier import verify
from .assign_layouts import assign_layouts
from .convert_to_integer import convert_to_integer
from .copy_shared_outputs import copy_shared_outputs
from .distribute_over_concats import distribute_over_concats
from .eliminate_moves import eliminate_moves
from .fold_clamps import fold_clamps
from .fold_flatten import fold_flatten
from .fold_pads import fold_pads
from .fold_quantizers import fold_quantizers
from .fuse_max_pools import fuse_max_pools
from .hoist_quantizers import hoist_quantizers
from .merge_equal_nodes import merge_equal_nodes
from .prove_accumulators import prove_accumulators

PIPELINE: tuple[Callable[[Graph], Graph], ...] = (
    merge_equal_nodes,
    distribute_over_concats,
    fold_clamps,
    hoist_quantizers,
    eliminate_moves,
    fold_pads,
    fold_quantizers,
    fold_flatten,
    convert_to_integer,
    fuse_max_pools,
    prove_accumulators,
    copy_shared_outputs,
    assign_layouts,
)


def pass_name(transform: Callable[[Graph], Graph]) -> str:
    """The name of a pass on the command line and in dumps: fold_clamps is `fold-clamps`."""
    return transform.__name__.replace("_", "-")


# The names of all stages in order; `import` is the graph as the frontend gave it.
PASS_NAMES: tuple[str, ...] = ("import", *(pass_name(transform) for transform in PIPELINE))


@dataclass(frozen=True)
class Stage:
    """The graph as it stands after the pass `name`; number 0 is the imported graph."""

    number: int
    name: str
    graph: Graph


def run_passes(graph: Graph, observe: Callable[[Stage], None], *, after: str = "import") -> Graph:
    """Run the pipeline on `graph`, verifying after every pass and showing each stage to `observe`.

    `after` names the stage that `graph` is: only the passes behind it run.
    """
    start = PASS_NAMES.index(after)
    verify(graph, after)
    observe(Stage(start, after, graph))
    for number, transform in enumerate(PIPELINE[start:], start + 1):
        graph = transform(graph)
        try:
            verify(graph, PASS_NAMES[number])
        except IRError as error:
            # Valid graph in, invalid graph out: the pass is at fault and not its user.
            raise RuntimeError(str(error)) from error
        observe(Stage(number, PASS_NAMES[number], graph))
    return graph
