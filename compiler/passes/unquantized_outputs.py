"""Layers whose reals leave the network: the device gives int32 accumulators, and the host makes them reals.

    %y = conv2d(%x, %w, %b)            : f32[1,8,1,5]    %y     = qconv2d(%x, %w, %bias) : i32[1,8,1,5] q(e=11)
    %z = reshape(%y) {shape=[1,8,5]}   : f32[1,8,5]  =>  %z.acc = reshape(%y)            : i32[1,8,5] q(e=11)
    outputs %z                                           %z     = dequantize(%z.acc)     : f32[1,8,5]

What only moves elements on the way moves accumulators. A bias that is no multiple of their unit is added by the host.
"""

from __future__ import annotations

import math

import numpy as np

from ..ir import Array, Graph, Node, QuantParams, TensorType
from ..ops.shape import moved_axis

MOVES = ("reshape", "transpose")


def moves_to_output(graph: Graph, layer: Node) -> list[Node] | None:
    """The moves between a layer and the output that alone takes its result; None when others take it too."""
    moves: list[Node] = []
    at = layer
    while not (at.name in graph.outputs and not graph.users(at.name)):
        user = graph.sole_user(at.name)
        if user is None or user.op not in MOVES:
            return None
        moves.append(user)
        at = user
    return moves


def channel_axis(layer: Node, moves: list[Node]) -> int | None:
    """The axis of the output along which the layer's channels lie, axis 1 of its result; None if they are none."""
    axis: int | None = 1
    shape = layer.type.shape
    for move in moves:
        if axis is not None:
            axis = moved_axis(shape, axis, move.op, move.attrs)
        shape = move.type.shape
    return axis


def accumulator_params(exponents: Array, axis: int | None) -> QuantParams:
    """The grid of accumulators with these exponents, one for each channel, which lie along the axis."""
    uniform = len(set(exponents.tolist())) == 1
    scale = tuple(math.ldexp(1.0, -e) for e in (exponents[:1] if uniform else exponents).tolist())
    return QuantParams(scale, (0,) * len(scale), None if uniform else axis)


def whole_bias(units: Array) -> Array:
    """The part of a bias that the device adds: all of it, or nothing; int32 [O]."""
    return units.astype(np.int32) if on_grid(units) else np.zeros(len(units), np.int32)


def on_grid(units: Array) -> bool:
    """True when every bias, in units of its accumulator, is an int32."""
    return bool(np.all(units == np.rint(units)) and np.all(np.abs(units) < 2**31))


def give_accumulators(
    graph: Graph, layer: Node, integer: Node, moves: list[Node], exponents: Array, float_bias: list[str]
) -> None:
    """Put the integer form in the place of a layer, move its accumulators, and dequantize them at the output."""
    if moves:
        graph.nodes[layer.name] = integer
    else:
        graph.insert_before(layer.name, integer)
    shape, axis, last, name = layer.type.shape, 1, moves[-1] if moves else layer, integer.name
    for move in moves:
        moved = moved_axis(shape, axis, move.op, move.attrs)
        axis, shape = axis if moved is None else moved, move.type.shape
        type_ = TensorType("i32", shape, accumulator_params(exponents, axis))
        made = move.with_(operands=(name,), type=type_)
        if move is last:
            made = made.with_(name=graph.free_name(f"{move.name}.acc"))
            graph.insert_before(move.name, made)
        else:
            graph.nodes[move.name] = made
        name = made.name
    attrs = {"axis": axis}
    graph.nodes[last.name] = Node(last.name, "dequantize", (name, *float_bias), last.type, attrs, layer.loc)
