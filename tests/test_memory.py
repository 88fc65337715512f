"""The arena: no two live buffers overlap, in the planner and in plans of whole networks; and the weights blob."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from p4c.backend.overlays import pixels_behind
from p4c.backend.weights import WeightsBlob
from p4c.compiler.memory import LiveRange, Overlay, plan_arena
from p4c.compiler.plan import Invocation, View
from p4c.driver import plan_model

from .frontend_models import MODELS
from .graphs import Net, plan_of
from .networks import networks

ALIGNMENT = 16


@st.composite
def live_ranges(draw, max_ranges=12):
    count = draw(st.integers(0, max_ranges))
    ranges = []
    for index in range(count):
        first, last = sorted((draw(st.integers(0, 9)), draw(st.integers(0, 9))))
        ranges.append(LiveRange(f"r{index}", draw(st.integers(1, 200)), first, last))
    return ranges


def rounded(size):
    return -(-size // ALIGNMENT) * ALIGNMENT


def most_bytes_live(ranges):
    """Counted step by step."""
    return max(sum(rounded(r.size) for r in ranges if r.first <= step <= r.last) for step in range(10))


@given(live_ranges())
def test_live_ranges_never_overlap(ranges):
    plan = plan_arena(ranges, ALIGNMENT)
    assert set(plan.offsets) == {r.name for r in ranges}
    for r in ranges:
        offset = plan.offsets[r.name]
        assert offset % ALIGNMENT == 0
        assert 0 <= offset <= plan.size - r.size
        for other in ranges:
            if other is not r and r.first <= other.last and other.first <= r.last:
                start = plan.offsets[other.name]
                assert offset + r.size <= start or start + other.size <= offset, (r, other)
    assert plan.lower_bound == most_bytes_live(ranges)
    assert plan.lower_bound <= plan.size <= sum(rounded(r.size) for r in ranges)


@given(live_ranges(), st.randoms())
def test_plan_depends_on_the_ranges_and_not_on_their_order(ranges, random):
    shuffled = list(ranges)
    random.shuffle(shuffled)
    first, second = plan_arena(ranges, ALIGNMENT), plan_arena(shuffled, ALIGNMENT)
    assert (first.offsets, first.size, first.lower_bound) == (second.offsets, second.size, second.lower_bound)


@st.composite
def overlaid_ranges(draw):
    """Live ranges, and overlays of those that begin where another one ends."""
    ranges = draw(live_ranges())
    pairs = [(a, b) for a in ranges for b in ranges if a is not b and b.last == a.first and b.first < a.first]
    return ranges, [
        Overlay(a.name, b.name, rounded(draw(st.integers(0, rounded(a.size)))))
        for a, b in pairs
        if draw(st.booleans())
    ]


@given(overlaid_ranges())
def test_live_ranges_overlap_only_at_the_distance_of_an_overlay(case):
    ranges, overlays = case
    plan = plan_arena(ranges, ALIGNMENT, overlays)
    distances = {(overlay.result, overlay.operand): overlay.distance for overlay in overlays}
    for r in ranges:
        offset = plan.offsets[r.name]
        assert 0 <= offset <= plan.size - r.size
        for other in ranges:
            start = plan.offsets[other.name]
            apart = offset + rounded(r.size) <= start or start + rounded(other.size) <= offset
            if other is r or r.first > other.last or other.first > r.last or apart:
                continue
            behind = {distances.get((r.name, other.name)): start - offset}
            behind[distances.get((other.name, r.name))] = offset - start
            assert any(wanted == found for wanted, found in behind.items()), (r, other)
    assert plan.lower_bound <= plan.size
    assert plan.lower_bound <= plan_arena(ranges, ALIGNMENT).lower_bound


def test_a_result_lies_over_its_operand_where_that_saves_memory():
    ranges = [LiveRange("x", 640, 0, 1), LiveRange("y", 640, 1, 2)]
    assert plan_arena(ranges, ALIGNMENT).size == 1280
    plan = plan_arena(ranges, ALIGNMENT, [Overlay("y", "x", 96)])
    assert (plan.size, plan.lower_bound) == (736, 736)
    assert plan.offsets["x"] - plan.offsets["y"] == 96


@given(
    st.tuples(st.integers(1, 7), st.integers(1, 7)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 3), st.integers(1, 3)),
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
)
def test_windows_never_read_what_was_written_over_their_image(image, kernel, strides, pads):
    """Window by window: none reads a pixel that a result before it was written over at the distance."""
    result = [(image[at] + 2 * pads[at] - kernel[at]) // strides[at] + 1 for at in (0, 1)]
    if min(result) < 1:
        return
    distance = pixels_behind(image, tuple(result), strides, pads)
    overwritten = set()
    for oy in range(result[0]):
        for ox in range(result[1]):
            rows = range(max(0, oy * strides[0] - pads[0]), min(image[0], oy * strides[0] - pads[0] + kernel[0]))
            columns = range(max(0, ox * strides[1] - pads[1]), min(image[1], ox * strides[1] - pads[1] + kernel[1]))
            assert not overwritten & {y * image[1] + x for y in rows for x in columns}
            overwritten.add(oy * result[1] + ox - distance)


def test_a_chain_needs_no_more_than_its_lower_bound():
    sizes = [784, 3136, 1568, 1568, 128, 10]
    plan = plan_arena([LiveRange(f"r{i}", size, i, i + 1) for i, size in enumerate(sizes)], ALIGNMENT)
    assert plan.size == plan.lower_bound == 3136 + 1568


def test_a_gap_that_just_fits_is_taken():
    ranges = [LiveRange("a", 32, 2, 3), LiveRange("b", 32, 1, 1), LiveRange("c", 32, 1, 2)]
    plan = plan_arena(ranges, ALIGNMENT)
    assert plan.size == plan.lower_bound == 64


def places(plan):
    """Every piece of memory of a plan (place, first byte, end) and the steps that write and last read it.

    A value that lies in another one is a piece of its own, from the step that writes it to the last that reads the
    whole; what is written in pieces is no piece itself.
    """
    root = {name: plan.views[name].source if name in plan.views else name for name in plan.buffers}
    written = {plan.inputs[i].value: -1 for i in range(len(plan.inputs))}
    read = {root[border.value]: len(plan.steps) for border in plan.outputs}
    for index, step in enumerate(plan.steps):
        written[step.node.name] = index
        for operand in step.operands:
            read[root[operand]] = max(index, read.get(root[operand], -1))
    spans = {}
    for name, first in written.items():
        buffer = plan.buffers[name]
        spans[name] = (buffer.place, buffer.offset, buffer.offset + buffer.size, first, read.get(root[name], first))
    for index, step in enumerate(plan.steps):
        if step.scratch:
            end = step.scratch.offset + step.scratch.size
            spans[f"{step.node.name} scratch"] = (step.scratch.place, step.scratch.offset, end, index, index)
    return spans


def assert_no_aliasing(plan):
    """Two values share memory only where the later is an overlay of the earlier, which is read for the last time."""
    spans = places(plan)
    overlays = {}
    for step in plan.steps:
        for at, distance in step.kernel.overlays(Invocation(plan.graph, step.node)).items():
            view = plan.views.get(step.operands[at], View(step.operands[at], 0))
            if view.offset == 0:
                # What a concat's memory holds, or that of an output, may be written under another name.
                for name in {view.source, *(n for n, v in plan.views.items() if v == view)}:
                    overlays[step.node.name, name] = rounded(distance)
                # Neither are parts of it, further in, read any more once they are written over with it.
                size = plan.buffers[step.operands[at]].size
                for name, part in plan.views.items():
                    if part.source == view.source and 0 < part.offset < part.offset + plan.buffers[name].size <= size:
                        overlays[step.node.name, name] = rounded(distance) + part.offset
    for name, view in plan.views.items():
        whole, piece = plan.buffers[view.source], plan.buffers[name]
        assert (piece.place, piece.offset) == (whole.place, whole.offset + view.offset)
        assert view.offset + piece.size <= whole.size
    for a, (place, start, end, first, last) in spans.items():
        sizes = {"arena": plan.arena_bytes, "input": plan.input_bytes, "output": plan.output_bytes}
        assert start % ALIGNMENT == 0
        assert end <= sizes[place]
        for b, (other_place, other_start, other_end, other_first, _) in spans.items():
            if a == b or place != other_place or end <= other_start or other_end <= start or other_first < first:
                continue
            if last < other_first:
                continue
            assert (b, a) in overlays, f"{b} is written over the live {a}"
            assert last == other_first, f"{b} is written over {a}, which is read later"
            assert start - other_start == overlays[b, a], f"{b} is written over {a} too early"


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(networks())
def test_buffers_of_networks_never_alias_live_data(graph):
    plan = plan_of(graph)
    assert_no_aliasing(plan)
    assert plan.arena_bytes >= plan.arena_lower_bound


def test_in_place_chains_and_views_share_one_buffer():
    net = Net()
    x = net.quantize(net.conv(net.input(3, 4, 4), 4), 1)
    flat = net.same("reshape", net.same("transpose", x, perm=(0, 2, 3, 1)), shape=(1, 16))
    clipped = net.same("clip", net.same("relu", flat), min=0.5, max=3.0)
    again = net.same("relu", net.same("reshape", clipped, shape=(1, 2, 8)))
    net.output(net.quantize(net.dense(again, 3), 1))
    plan = plan_of(net.graph)
    assert_no_aliasing(plan)
    # The transpose is written once; views, relus and clip stay where it is.
    names = ["transpose0", "reshape0", "relu0", "clip0", "reshape1", "relu1"]
    assert len({plan.buffers[name] for name in names}) == 1
    assert [step.node.op for step in plan.steps].count("reshape") == 0


def test_nothing_is_computed_in_place_while_another_still_reads_it():
    net = Net()
    x = net.quantize(net.dense(net.input(16), 16), 1)
    clamped = net.same("relu", x)
    net.output(net.quantize(net.dense(clamped, 3), 1))
    net.output(net.quantize(net.dense(x, 3), 1))
    plan = plan_of(net.graph)
    assert_no_aliasing(plan)
    assert plan.buffers[x] != plan.buffers[clamped]


def test_outputs_and_inputs_have_blocks_of_their_own():
    net = Net()
    a, b = net.input(3), net.input(5)
    net.output(net.quantize(net.dense(a, 3), 1))
    net.output(net.quantize(net.dense(b, 20), 1))
    plan = plan_of(net.graph)
    assert [plan.buffers[border.value].offset for border in plan.inputs] == [0, 16]
    assert [plan.buffers[border.value].offset for border in plan.outputs] == [0, 16]
    assert (plan.input_bytes, plan.output_bytes) == (32, 48)


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=8))
def test_weights_are_aligned_and_equal_ones_stored_once(contents):
    blob = WeightsBlob(ALIGNMENT)
    arrays = [np.frombuffer(content, np.int8) for content in contents]
    offsets = blob.add({str(i): array for i, array in enumerate(arrays)} | {"none": None})
    data = blob.bytes()
    assert offsets.pop("none") is None
    for array, offset in zip(arrays, offsets.values(), strict=True):
        assert offset % ALIGNMENT == 0
        assert data[offset : offset + len(array)] == array.tobytes()
    assert len(data) == sum(rounded(len(content)) for content in set(contents))


@pytest.mark.parametrize("order", ["<", ">"])
def test_weights_are_little_endian(order):
    blob = WeightsBlob(ALIGNMENT)
    blob.add({"bias": np.array([1, -2], f"{order}i4")})
    assert blob.bytes()[:8] == bytes.fromhex("01000000 feffffff")


SHARED = ("mlperf_tiny/*pow2*.onnx", "mnist_qat/inputq*.onnx")
EXPORTS = Path(__file__).parent / "data" / "exports"
# A Softmax with a zero point: refused.
REFUSED = {"onnxruntime_qoperator_mixed.onnx"}


def test_arenas_of_all_models_are_no_larger_than_they_must_be():
    """Within a tenth of the most bytes that are live at once, below which no plan can go."""
    shared = [path for pattern in SHARED for path in MODELS.glob(pattern)]
    models = [path for path in (*shared, *EXPORTS.glob("*.onnx")) if path.name not in REFUSED]
    assert len(models) > 15
    plans = {path.name: plan_model(path).plan for path in models}
    ratios = {name: plan.arena_bytes / plan.arena_lower_bound for name, plan in plans.items()}
    assert not {name: ratio for name, ratio in ratios.items() if ratio > 1.1}
