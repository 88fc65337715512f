"""docs/timing.md: its ratios and its spread follow from its own rows."""

from __future__ import annotations

import math
import re
import statistics
from pathlib import Path

PAGE = (Path(__file__).parents[1] / "docs" / "timing.md").read_text(encoding="utf-8")
ROW = re.compile(r"^\| .* \| ([\d,]+) \| ([\d,]+) \| ([\d.]+) \| ([a-z ]*) \| (yes|in part) \|$", re.MULTILINE)


def rows():
    return [
        (int(published.replace(",", "")), int(predicted.replace(",", "")), float(ratio), use)
        for published, predicted, ratio, use, _ in ROW.findall(PAGE)
    ]


def test_ratios():
    for published, predicted, ratio, _ in rows():
        assert abs(predicted / published - ratio) <= 0.0051, (published, predicted)


def spread(*uses):
    ratios = [predicted / published for published, predicted, _, use in rows() if use in uses]
    root = math.sqrt(statistics.fmean(math.log(ratio) ** 2 for ratio in ratios))
    error = statistics.median(abs(ratio - 1) for ratio in ratios)
    return len(ratios), min(ratios), max(ratios), root, error, statistics.fmean(ratios) - 1


def test_spread():
    text = " ".join(PAGE.split())
    count, low, high, root, error, mean = spread("fit", "held out")
    assert f"Over the {count} programs" in text
    assert f"{low:.2f} to {high:.2f}, root mean square of the log error {root:.2f}" in text
    assert f"median absolute error {error * 100:.0f} %, mean {mean * 100:+.0f} %" in text
    for uses, start in (("fit", "The {} rows that the constants were fitted to"), ("held out", "The {} held out")):
        count, low, high, root, error, mean = spread(uses)
        told = f"{low:.2f} to {high:.2f}, {root:.2f}, {error * 100:.0f} %, {mean * 100:+.0f} %"
        assert f"{start.format(count)}: {told}" in text
