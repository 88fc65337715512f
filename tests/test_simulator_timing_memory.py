"""The timing model's caches and memories: misses, victims, fetches, copies, counters, markers."""

from __future__ import annotations

import pytest

from p4c.compiler.errors import InputError
from p4c.runtime.simulator.simulator import Simulator
from p4c.runtime.simulator.timing import Counters, MemoryTraffic, Timing

from .simulator_encoding import b_type
from .simulator_timed import (
    A0,
    A1,
    A2,
    A3,
    CODE,
    DATA,
    FLASH,
    NOP,
    PSRAM,
    RETURN,
    T4,
    TCM,
    addi,
    code,
    cost,
    loop,
    lw,
    sw,
    timed,
)

L2MEM_MISS, L2_HIT, PSRAM_MISS, FLASH_MISS, VICTIM = 10, 18, 150, 500, 4
LINE, L1D, L1I = 64, 64 << 10, 16 << 10
VLD, VST = "esp.vld.128.ip q0, a0, 16", "esp.vst.128.ip q0, a1, 16"


def counted(trips: int) -> list[int]:
    """Put a loop's count, a multiple of 1024, into the counter."""
    return [addi(T4, 0, 0), *[addi(T4, T4, 1024)] * (trips // 1024)]


def walked(instruction: str | int, size: int, base: int, **how: int) -> Counters:
    """One access of every line, in the third round."""
    trips = max(size // LINE, 1024)
    lines = [*counted(trips), *loop(instruction, addi(A0, A0, size // trips))]
    return cost(*lines, arguments=(base,), sim=timed(**how))


def test_first_touch_of_a_line_costs_a_miss():
    cold = cost(lw(A3, A0), lw(A3, A0, 4), lw(A3, A0, 64), lw(A3, A0, 60), calls=1)
    assert (cold.l2mem_stalls, cold.data_misses) == (2 * L2MEM_MISS, 2)
    assert cold.cycles == 4 + 2 * L2MEM_MISS
    assert cost(lw(A3, A0), lw(A3, A0, 64)).cycles == 2


def test_a_load_waits_for_its_line():
    """The miss delays the result as well: load-use after a miss is the miss and one."""
    assert cost(lw(A3, A0), addi(A3, A3, 1), calls=1).cycles == 3 + L2MEM_MISS


@pytest.mark.parametrize(
    ("base", "stall"),
    [(DATA, L2MEM_MISS), (TCM, 0), (PSRAM, L2_HIT + PSRAM_MISS), (FLASH, L2_HIT + FLASH_MISS)],
)
def test_what_a_cold_load_costs(base, stall):
    counters = cost(lw(A3, A0), calls=1, arguments=(base,))
    assert counters.cycles == 1 + stall
    if base >= FLASH and base != DATA:  # the other half of the 128-byte L2 line is there now
        both = cost(lw(A3, A0), lw(A3, A0, 64), lw(A3, A0, 128), calls=1, arguments=(base,))
        assert both.cycles == 3 + 2 * stall + L2_HIT
        assert both.l2_misses == 2


def test_streams():
    """10 cycles per line from L2MEM; 186 per 128 bytes from PSRAM; 18 per line while the L2 cache holds them."""
    assert walked(lw(A3, A0), 128 << 10, DATA).l2mem_stalls == 2048 * L2MEM_MISS
    assert walked(lw(A3, A0), 32 << 10, DATA).l2mem_stalls == 0
    beyond = walked(lw(A3, A0), 1 << 20, PSRAM)
    assert beyond.l2_stalls + beyond.psram_stalls == (1 << 20) // 128 * 186
    within = walked(lw(A3, A0), 128 << 10, PSRAM)
    assert (within.l2_stalls, within.psram_stalls) == (2048 * L2_HIT, 0)


@pytest.mark.parametrize(("l2_kb", "held"), [(128, False), (256, True), (512, True)])
def test_l2_cache_sizes(l2_kb, held):
    counters = walked(lw(A3, A0), 192 << 10, PSRAM, l2_kb=l2_kb)
    assert (counters.psram_stalls == 0) == held


def test_dirty_victims():
    """Written lines cost 4 when they leave; a store of a new line first fetches it."""
    stores = walked(sw(A3, A0), 128 << 10, DATA)
    assert (stores.l2mem_stalls, stores.victim_stalls) == (2048 * L2MEM_MISS, 2048 * VICTIM)
    assert walked(lw(A3, A0), 128 << 10, DATA).victim_stalls == 0
    outer = walked(sw(A3, A0), 1 << 20, PSRAM)  # twice: from L1 into L2, from L2 to PSRAM
    assert outer.victim_stalls == 16384 * VICTIM + 8192 * VICTIM


def test_two_ways():
    """Two lines 32 KB apart share a set of the L1D and stay; three push each other out."""
    pointers = (DATA, DATA + (32 << 10), DATA + (64 << 10))
    loads = [lw(A3, A0), lw(A3, A1), lw(A3, A2)]
    assert cost(*loads[:2], arguments=pointers).data_misses == 0
    assert cost(*loads, arguments=pointers).data_misses == 3


def test_cooling():
    sim = timed()
    assert cost(lw(A3, A0), sim=sim).data_misses == 0
    sim.cool()
    assert cost(lw(A3, A0), sim=sim, calls=1).data_misses == 1
    Simulator().cool()


@pytest.mark.parametrize(
    ("address", "cycles"), [(DATA + 4, 1), (DATA + 2, 2), (DATA + 61, 2), (DATA + 62, 2), (DATA + 63, 2)]
)
def test_unaligned_scalar(address, cycles):
    assert cost(lw(A3, A0), arguments=(address,)).cycles == cycles


def test_unaligned_vector():
    """One cycle more where the hardware splits; none where it drops the low bits."""
    split, dropped = "esp.movx.w.cfg a2", "esp.movx.w.cfg a3"
    for before, stalls in (([split], 1), ([dropped], 0)):
        assert cost(VLD, before=before, arguments=(DATA + 5, 0, 3, 0)).unaligned_stalls == stalls
    cold = cost(VLD, before=[split], arguments=(DATA + 60, 0, 3, 0), calls=1)
    assert (cold.data_misses, cold.cycles) == (2, 2 + 2 * L2MEM_MISS)


def straight(size: int) -> list[int]:
    return [NOP] * (size // 4)


@pytest.mark.parametrize(("size", "misses"), [(8 << 10, 0), (L1I - 1024, 0), (2 * L1I, 2 * L1I // LINE)])
def test_code_that_fits_the_l1i_is_fetched_once(size, misses):
    counters = cost(*straight(size))
    assert counters.fetch_misses == pytest.approx(misses, abs=1)
    assert counters.fetch_stalls == counters.fetch_misses * L2MEM_MISS
    assert counters.cycles == size // 4 + counters.fetch_stalls


@pytest.mark.parametrize(
    ("base", "stall"),
    [
        (CODE, 64 * L2MEM_MISS),
        (TCM, 0),
        (PSRAM, 32 * PSRAM_MISS + 64 * L2_HIT),
        (FLASH, 32 * FLASH_MISS + 64 * L2_HIT),
    ],
)
def test_cold_code(base, stall):
    """4 KB by where it lies: 640 cycles from L2MEM, 17 thousand from flash."""
    counters = cost(*straight(4096), calls=1, base=base)
    assert counters.fetch_stalls == pytest.approx(stall, abs=stall // 32)


def test_an_instruction_across_two_lines_fetches_both():
    lines = [0x0001, *[NOP] * 40]  # a compressed nop sets the others off by two
    counters = cost(*lines, calls=1)
    assert counters.fetch_misses == 2


def copied(size: int, source: int, target: int) -> float:
    """MB/s at 360 MHz of a copy by 128-bit loads and stores, caches empty at first."""
    loads, stores = (
        [f"esp.{name}.128.ip q{k}, {by}, 16" for k in range(8)] for name, by in (("vld", "a0"), ("vst", "a1"))
    )
    body = [*loads, *stores[:-1], addi(T4, T4, -1), stores[-1]]
    lines = [*counted(size // 128), *body, b_type(1, T4, 0, -4 * len(body))]
    return size / (cost(*lines, calls=1, arguments=(source, target)).cycles / 360)


def test_copy_rates():
    """202 MB/s from PSRAM and 742 MB/s within L2MEM, as the anchors' simulator had."""
    assert copied(128 << 10, PSRAM, DATA) == pytest.approx(202, rel=0.02)
    assert copied(128 << 10, DATA, DATA + (128 << 10)) == pytest.approx(742, rel=0.03)


def test_traffic():
    lines = [VLD, VST, lw(A3, A0), sw(A3, A0)]
    counters = cost(*lines, arguments=(DATA, PSRAM))
    assert counters.read == MemoryTraffic(l2mem=20)
    assert counters.written == MemoryTraffic(l2mem=4, psram=16)


def test_markers():
    sim = timed()
    sim.write(CODE, code([addi(T4, 0, 5), *loop(NOP, NOP), RETURN]))
    sim.set_markers([CODE + 20, CODE + 4])
    sim.call(CODE)
    marks = sim.take_marks()
    assert [mark.marker for mark in marks] == [1] * 5 + [0]
    assert [mark.counters.instructions for mark in marks] == [1, 5, 9, 13, 17, 21]
    assert sim.take_marks() == []
    sim.set_markers([])
    sim.call(CODE)
    assert sim.take_marks() == []
    with pytest.raises(ValueError, match="timing model"):
        Simulator().set_markers([CODE])


def test_many_marks():
    sim = timed()
    sim.write(CODE, code([*loop(NOP, counter=A0), RETURN]))
    sim.set_markers([CODE])
    sim.call(CODE, 5000)
    assert [mark.counters.instructions for mark in sim.take_marks()] == list(range(0, 15000, 3))


def test_cycles_without_a_model_are_instructions():
    sim = Simulator()
    sim.write(CODE, code([NOP, NOP, RETURN]))
    assert sim.call(CODE).cycles == 3
    assert sim.counters == Counters(instructions=3)


def test_runs_in_slices_cost_the_same():
    lines = code([addi(T4, 0, 50), *loop(VLD, VST, lw(A3, A0), b_type(0, A3, 0, 8), NOP), RETURN])
    whole, sliced = timed(), timed()
    for sim in (whole, sliced):
        sim.write(CODE, lines)
    whole.call(CODE, DATA, PSRAM)
    for register, value in ((1, 0xFFFFFFF0), (A0, DATA), (A0 + 1, PSRAM)):
        sliced.set_x(register, value)
    sliced.pc = CODE
    while sliced.run(7).instructions == 7:
        pass
    assert sliced.counters == whole.counters


def test_unknown_l2_size():
    with pytest.raises(InputError, match="no L2 cache has 300 KB"):
        Simulator(timing=Timing(l2_kb=300))
