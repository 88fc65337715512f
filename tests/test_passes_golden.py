"""Each pass on small graphs in text: tests/golden/PASS/CASE.p4ir becomes CASE.after.p4ir.

A case is added by writing its first file; `pytest --update-golden` then writes the second, to be read.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from p4c.compiler.dump import read_dump
from p4c.compiler.ir import graphs_equal
from p4c.compiler.passes import PASS_NAMES, PIPELINE, pass_name
from p4c.compiler.printer import print_graph
from p4c.compiler.verifier import verify

FOLDER = Path(__file__).parent / "golden"
PASSES = {transform.__name__: transform for transform in PIPELINE}
CASES = sorted(path.relative_to(FOLDER) for path in FOLDER.glob("*/*.p4ir") if not path.name.endswith(".after.p4ir"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_pass_gives_the_golden_text(case, golden):
    transform = PASSES[case.parent.name]
    before, _ = read_dump(FOLDER / case)
    text = print_graph(before, pass_name="", archive={})
    after = transform(before)
    verify(after, pass_name(transform))
    golden((FOLDER / case).with_suffix(".after.p4ir"), print_graph(after, pass_name=pass_name(transform), archive={}))
    # A pass gives a new graph and leaves its argument alone.
    assert print_graph(before, pass_name="", archive={}) == text


# A layout is assigned once, to a graph that has none.
@pytest.mark.parametrize("case", [case for case in CASES if case.parent.name != "assign_layouts"], ids=str)
def test_pass_has_nothing_left_to_do(case):
    transform = PASSES[case.parent.name]
    once = transform(read_dump(FOLDER / case)[0])
    assert graphs_equal(transform(once), once)


def test_every_pass_has_cases_and_every_golden_file_has_its_case():
    assert {case.parent.name for case in CASES} == set(PASSES)
    made = {path.relative_to(FOLDER) for path in FOLDER.glob("*/*.after.p4ir")}
    assert made == {case.with_suffix(".after.p4ir") for case in CASES}


def test_golden_files_stand_after_the_pass_before():
    """The dumps resume where they say: PASS_NAMES knows the stage of each."""
    for case in CASES:
        _, after = read_dump(FOLDER / case)
        stage = PASS_NAMES.index(pass_name(PASSES[case.parent.name]))
        assert PASS_NAMES.index(after) < stage, case
