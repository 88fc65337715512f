"""The committed figures of layers and networks are what is measured now, and the page shows them."""

from __future__ import annotations

import pytest

from .benchmark_layers import layers

REFRESH = "if that is meant: pytest -m '' tests/test_benchmarks.py --update-golden, and read the diff"


@pytest.mark.slow
def test_figures_are_those_of_the_table(request):
    measured = layers.measure()
    if request.config.getoption("--update-golden"):
        layers.update(measured)
    changed = layers.differences(layers.read_table(), measured)
    if changed:
        table, here = layers.compilers()
        note = [] if table == here else [f"the table was made with zig {table}, here is {here}"]
        pytest.fail("\n".join(["benchmarks/table.tsv:", *changed, *note, REFRESH]), pytrace=False)


def test_the_page_shows_the_table():
    page = layers.PAGE.read_text(encoding="utf-8")
    shown = page.partition(layers.BEGIN)[2].partition(layers.END)[0]
    assert shown == layers.page_text(layers.read_table()), REFRESH


def test_every_benchmark_has_a_row_and_misses_are_explained():
    rows = layers.read_table()
    names = [layer.name for layer in layers.LAYERS]
    assert list(rows) == [*layers.NETWORKS, *names]
    missed = [layer for layer in layers.LAYERS if not layers.met(rows[layer.name], layer.goal, layer.most_cycles)]
    assert [layer.name for layer in missed if not layer.why] == []


def test_differences_name_row_figure_old_and_new():
    row = layers.Row(1000, 50, 64, 16, 8000)
    old = {"a": row, "b": row, "MNIST network": row}
    new = {"a": row, "c": row}
    assert layers.differences(old, new) == ["b: a row that is gone", "c: a new row"]
    slower = layers.Row(1250, 50, 64, 16, 8000)
    assert layers.differences({"a": row}, {"a": slower}) == ["a: cycles 1,000 -> 1,250"]
