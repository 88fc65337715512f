"""The table of `p4c check --data`."""

from __future__ import annotations

import math

from .accuracy import Accuracy, LayerAccuracy
from .render import Name, console, plain_table


def print_accuracy(accuracy: Accuracy) -> None:
    """A line for each layer that rounds or accumulates, and the accuracy where there are labels."""
    titles = ("layer", "op", "scale", ">saturated", ">range", ">bits", ">max |acc|", ">acc bits", ">SQNR", ">own")
    out = console()
    out.print(plain_table(titles, [_row(layer) for layer in accuracy.layers]))
    out.print(f"\n{accuracy.rows:,} rows; SQNR in dB to the model without activation quantizers, own: of one alone")
    if accuracy.correct is not None and accuracy.real_correct is not None and accuracy.rows:
        ours, reals = (f"{100 * n / accuracy.rows:.2f} %" for n in (accuracy.correct, accuracy.real_correct))
        out.print(f"accuracy {ours} (without activation quantizers {reals})")


def _row(layer: LayerAccuracy) -> list[str | Name]:
    stored = layer.bits is not None
    return [
        Name(layer.node),
        layer.op,
        f"2^{-layer.exponent}" if layer.exponent is not None else "",
        f"{layer.saturated_percent:.2f} %" if stored else "",
        f"{layer.smallest}..{layer.largest}" if stored else "",
        str(layer.bits) if stored else "",
        f"{layer.accumulator:,}" if layer.bound else "",
        f"{layer.accumulator.bit_length() + 1} <= {layer.bound.bit_length() + 1}" if layer.bound else "",
        _decibels(layer.sqnr),
        _decibels(layer.own_sqnr),
    ]


def _decibels(value: float | None) -> str:
    if value is None:
        return ""
    return "exact" if math.isinf(value) else f"{value:.1f}"
