"""Every PIE instruction that the slow NumPy model knows, in the simulator and in the model, over random states."""

import pytest

from p4c.backend.pie.table import REVISIONS
from p4c.runtime.simulator.timing import Timing

from .simulator_pie import Pair, modelled

STATES = 12
MANY_STATES = 600
FAMILIES = sorted({instruction.family for instruction, _ in modelled()})


def compare(rev, family, states, seed):
    pair = Pair(rev, seed)
    for instruction, encoded_on in modelled():
        if instruction.family == family and encoded_on == rev:
            for _ in range(states):
                pair.check(instruction)
    pair.check_memory()


@pytest.mark.parametrize("rev", REVISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_family_agrees_with_the_model(rev, family):
    compare(rev, family, STATES, seed=1)


@pytest.mark.parametrize("rev", REVISIONS)
def test_timed_simulator_agrees_with_the_model(rev):
    pair = Pair(rev, 7, Timing())
    for instruction, encoded_on in modelled():
        if encoded_on == rev:
            pair.check(instruction)
            pair.check(instruction)


@pytest.mark.slow
@pytest.mark.parametrize("rev", REVISIONS)
@pytest.mark.parametrize("family", FAMILIES)
def test_family_agrees_with_the_model_over_many_states(rev, family):
    compare(rev, family, MANY_STATES, seed=2)
