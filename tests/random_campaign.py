"""Many random networks on the simulated chip: `python -m tests.random_campaign FIRST_SEED BATCHES` in the repository.

Each batch of 16 networks is one model. All are compared with onnxruntime on the chip of revision v3, every fourth on
v1 and without SIMD too. Batches that differ, or that p4c refuses, are printed with their seed, and the counts at the
end. docs/random-networks.md holds the figures of a long run.
"""

from __future__ import annotations

import collections
import sys
import time

from .random_operators import OPERATORS
from .test_random_networks import ALL_TARGETS, BATCH, batch_of, check


def main() -> int:
    """Run the batches; the exit status says whether any differed."""
    first, count = map(int, sys.argv[1:3])
    faults, operators, networks, runs, start = [], collections.Counter(), 0, 0, time.monotonic()
    for seed in range(first, first + count):
        made = batch_of(seed)
        targets = ALL_TARGETS if seed % 4 == 0 else ALL_TARGETS[:1]
        networks, runs = networks + BATCH, runs + BATCH * len(targets)
        operators.update(step.split("[")[0] for step in made.story)
        try:
            check(made, seed, targets)
        except Exception as fault:  # each is a finding
            faults.append(seed)
            print(f"seed {seed}: {type(fault).__name__}: {str(fault)[:400]}", flush=True)
        if seed % 50 == 0:
            print(f"{networks:,} networks, {len(faults)} faults, {time.monotonic() - start:.0f} s", flush=True)
    assert set(operators) <= {write.__name__ for write in OPERATORS}
    print(f"{networks:,} networks of {sum(operators.values()):,} operators, {runs:,} runs, faults {faults}")
    print(", ".join(f"{name} {number:,}" for name, number in operators.most_common()))
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
