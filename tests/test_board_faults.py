"""Serial faults between pyserial and the virtual board: right outputs or an error, in bounded time, and nothing left.

pytest -m slow tests/test_board_faults.py --serial-faults 5000 -s      # the campaign of docs/hardening.md
"""

from __future__ import annotations

import random
import re
import socket
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

import p4c
from p4c.compiler.errors import DeviceError
from p4c.runtime.board.packets import Command, Packet, encode
from p4c.runtime.board.virtual import VirtualBoard

from .faulty_line import FaultyLine
from .models import rows, small_net

WORKERS = 6
# A run under faults ends within this, in seconds, whatever happens.
LONGEST = 60


class Campaign:
    """Faults on virtual boards until there were enough; `counts` has faults by kind and what came of the runs."""

    def __init__(self, model, faults):
        self.model, self.faults = model, faults
        self.x = rows(3)
        self.expected = model.run(self.x)
        self.counts, self.longest = Counter(), 0.0

    def run(self, base=0):
        with ThreadPoolExecutor(WORKERS) as pool:
            for counts, longest in pool.map(lambda worker: self.work(base + worker), range(WORKERS)):
                self.counts += counts
                self.longest = max(self.longest, longest)

    def work(self, seed):
        """One board and its share of the faults."""
        counts, longest, kinds = Counter(), 0.0, random.Random(seed)
        with VirtualBoard(with_pty=False) as virtual:
            with p4c.connect(virtual.url) as board:
                clean = board.heap()
            while sum(n for name, n in counts.items() if name.startswith("fault ")) < self.faults / WORKERS:
                started = time.monotonic()
                kinds.choice((self.spoil, self.spoil, self.spoil, self.cut, self.die))(virtual, kinds, counts)
                longest = max(longest, time.monotonic() - started)
                with p4c.connect(virtual.url) as board:
                    assert board.heap() == clean, "memory was not given back"
                    if kinds.random() < 0.3:
                        board.firmware.reset(1)
        return counts, longest

    def spoil(self, virtual, kinds, counts):
        """Bytes dropped, flipped, repeated, inserted and delayed, in both directions."""
        probability = kinds.choice((0.03, 0.1, 0.3))
        with FaultyLine(virtual.url, kinds.randrange(2**32), probability) as line:
            self.use(line.url, counts)
            counts.update({f"fault {name}": n for name, n in line.injected.items()})

    def cut(self, virtual, kinds, counts):
        """The cable is pulled at any byte, mostly within an upload."""
        with FaultyLine(virtual.url) as line:
            with p4c.connect(virtual.url) as board:
                board.firmware.reset(1)
            line.cut_after = kinds.randrange(len(self.model.build.image_bytes) + 1000)
            counts["fault disconnect"] += 1
            self.use(line.url, counts)

    def die(self, virtual, kinds, counts):
        """The host is killed while a packet is under way."""
        command = kinds.choice([Command.WRITE, Command.BLOCK, Command.LOAD, Command.RUN])
        payload = kinds.randbytes(kinds.choice((16, 200, 5000)))
        data = encode(Packet(command, payload, number=kinds.choice((None, kinds.randrange(2**32)))))
        with socket.create_connection(("127.0.0.1", int(virtual.url.rpartition(":")[2]))) as host:
            host.sendall(data[: kinds.randrange(1, len(data))])
        counts["fault host killed"] += 1
        self.use(virtual.url, counts)

    def use(self, url, counts):
        """Load and run the model: every output is right, or there is an error."""
        try:
            with p4c.connect(url) as board:
                # The board is near; waiting a second for each lost answer would only take longer.
                board.firmware.link.patience = 0.3
                y = self.model.run(self.x, device=board)
                layers = self.model.verify_layers(self.x[:1], device=board)
                counts["requests repeated"] += board.firmware.link.repeated
        except DeviceError as error:
            counts["runs with an error"] += 1
            counts[f"error: {re.sub(r'socket://[^ ]*|[0-9][0-9.,]*', '…', error.problems[0].what)}"] += 1
            return
        np.testing.assert_array_equal(y, self.expected, strict=True)
        assert layers.passed
        counts["runs with right outputs"] += 1


@pytest.mark.slow
def test_serial_faults(tmp_path, request):
    faults = request.config.getoption("--serial-faults")
    campaign = Campaign(p4c.compile(small_net().save(tmp_path / "small.onnx")), faults)
    started = time.monotonic()
    campaign.run()
    for name, count in sorted(campaign.counts.items()):
        print(f"{count:>8,} {name}")
    print(f"{campaign.longest:>8.1f} s, the longest run; all in {time.monotonic() - started:.0f} s")
    kinds = {name for name in campaign.counts if name.startswith("fault ")}
    assert len(kinds) == 7, "every kind of fault was met"
    assert campaign.longest < LONGEST
    assert campaign.counts["runs with right outputs"] > campaign.counts["runs with an error"]
