"""Estimated cycles, code and memory of single layers and of networks: the committed table and the page made from it.

python benchmarks/layers.py            measures everything and prints the table
python benchmarks/layers.py --update   also rewrites benchmarks/table.tsv and the table in docs/performance.md
"""

from __future__ import annotations

import argparse
import functools
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields, replace
from pathlib import Path

import numpy as np
from layer_models import Build, LayerModel, add, concat, conv, gate, gemm, requantize

import p4c
from p4c.backend.emit import layer_functions, layer_key
from p4c.backend.image import Image
from p4c.backend.toolchain import find_toolchain
from p4c.compiler.plan import Buffer, Step
from p4c.runtime.borders import input_block, stored_inputs
from p4c.runtime.model import CompiledModel
from p4c.runtime.profile import WARM_CALLS, profile
from p4c.runtime.simulated import SimulatorDevice, place_segments
from p4c.runtime.simulator.timing import Timing

ROOT = Path(__file__).parent.parent
TABLE = ROOT / "benchmarks" / "table.tsv"
PAGE = ROOT / "docs" / "performance.md"
BEGIN, END = "<!-- the table of benchmarks/layers.py -->\n", "<!-- end of the table -->\n"
CHIP_REV = "v3"
# What of a layer's model is measured lies in L2MEM, though all of it may not leave room for more.
NETWORK_BUDGET, LAYER_BUDGET = 448 * 1024, 640 * 1024
TIMING = Timing(l2_kb=256, clock_mhz=360)

MODELS = ROOT.parent / "shared" / "models"
NETWORKS = {
    "digits network": ROOT / "examples" / "digits" / "digits.onnx",
    "MNIST network": MODELS / "mnist_qat" / "inputq_qdq_int8.onnx",
    "MLPerf Tiny ResNet-8": MODELS / "mlperf_tiny" / "resnet8_pow2_fused_qdq.onnx",
    "MLPerf Tiny MobileNet (VWW)": MODELS / "mlperf_tiny" / "vww_mobilenet_pow2_fused_qdq.onnx",
    "MLPerf Tiny DS-CNN": MODELS / "mlperf_tiny" / "kws_dscnn_pow2_fused_qdq.onnx",
    "MLPerf Tiny autoencoder": MODELS / "mlperf_tiny" / "ad_fc_pow2_fused_qdq.onnx",
}


@dataclass(frozen=True)
class Layer:
    """A benchmark: the model and, of its steps, those that count, by op; `from_input` adds all before them.

    `goal` is a rate to reach, or with `most_cycles` there is a number of cycles not to exceed. `reference` is what
    ESP-DL's kernel takes, `trial` what a trial kernel took; `why` says what stands between a missed goal and us.
    """

    name: str
    build: Build
    goal: float
    reference: str
    trial: str
    most_cycles: int = 0
    ops: tuple[str, ...] = ("qconv2d", "max_pool", "qfully_connected", "qadd")
    from_input: bool = False
    weights_region: str = "l2mem"
    why: str = ""


SAME3 = (1, 1, 1, 1)
DEPTHWISE64 = conv(64, 64, 3, (24, 24), pads=SAME3, group=64)
DEPTHWISE32 = conv(32, 32, 3, (100, 50), group=32, relu=True)

LAYERS = (
    Layer("conv 1x1 16->32, 20x20", conv(16, 32, 1, (20, 20)), 7.2, "3.69", "7.51"),
    Layer("conv 1x1 64->64, 10x10", conv(64, 64, 1, (10, 10)), 7.4, "6.19", "7.62"),
    Layer("conv 3x3 16->32, 14x14", conv(16, 32, 3, (14, 14), pads=SAME3), 8.1, "6.93", "8.47"),
    Layer("conv 3x3 64->64, 8x8", conv(64, 64, 3, (8, 8), pads=SAME3), 8.8, "8.30", "9.20"),
    Layer(
        "conv 3x3 s2 32->16, 19x23", conv(32, 16, 3, (19, 23), strides=(2, 2), pads=SAME3), 8.0, "6.94", "8.7 est."
    ),
    Layer(
        "conv 5x5 s2 16->32, 22x22, ReLU",
        conv(16, 32, 5, (22, 22), strides=(2, 2), pads=(2, 2, 2, 2), relu=True),
        *(8.0, "7.17", "8.6 est."),
    ),
    Layer(
        "conv 3x3 22->33, 19x23",
        conv(22, 33, 3, (19, 23), pads=SAME3),
        *(7.3, "4.59", "7.78"),
    ),
    Layer("depthwise 3x3 64 ch, 24x24", DEPTHWISE64, 4.7, "2.49", "4.89"),
    Layer("depthwise 3x3 64 ch, 24x24, output overlaid", DEPTHWISE64, 5.1, "2.49", "5.27"),
    Layer("depthwise 3x3 32 ch, 100x50, ReLU", DEPTHWISE32, 4.0, "2.08", "4.25 without ReLU"),
    Layer(
        "depthwise 3x3 32 ch, 100x50, ReLU, output overlaid",
        DEPTHWISE32,
        *(4.3, "2.08", "4.59 without ReLU"),
    ),
    Layer(
        "depthwise 7x7 25 ch, 20x20, s(1,2), ReLU",
        conv(25, 25, 7, (20, 20), strides=(1, 2), pads=(2, 2, 2, 2), group=25, relu=True),
        *(3.6, "1.33", "4.5 est."),
    ),
    Layer(
        "first layer 3x3 1->16, 28x28, ReLU, max-pool",
        conv(1, 16, 3, (28, 28), pads=SAME3, relu=True, pool=True),
        *(6.3, "", "7.02"),
    ),
    Layer(
        "first layer 3x3 s2 3->8, 96x96, NHWC",
        conv(3, 8, 3, (96, 96), strides=(2, 2), pads=(0, 0, 1, 1), nhwc=True),
        *(4.0, "", "4.15"),
    ),
    Layer(
        "first layer 3x3 s2 3->8, 96x96, NCHW",
        conv(3, 8, 3, (96, 96), strides=(2, 2), pads=(0, 0, 1, 1)),
        *(5.2, "", "5.8 est."),
        from_input=True,
    ),
    Layer("conv 3x3 16->32, 14x14, max-pool", conv(16, 32, 3, (14, 14), pads=SAME3, pool=True), 8.0, "", "8.40"),
    Layer("fully connected 1568->128", gemm(1568, 128), 3.45, "3.32", "3.49"),
    Layer(
        "fully connected 1568->128, weights in PSRAM",
        gemm(1568, 128),
        *(0, "85.6 k", "82.8 k"),
        most_cycles=84_000,
        weights_region="psram",
    ),
    Layer("add 64 ch, 24x24, two exponents", add(64, 24), 1.15, "", "1.18"),
    Layer("add 64 ch, 24x24, in place", add(64, 24, residual=True), 2.2, "", "2.27", ops=("qadd",)),
    Layer("add 64 ch, 12x12, which fits L1", add(64, 12), 3.0, "", "3.18"),
    Layer("product with one pixel 64 ch, 24x24, in place", gate(64, 24), 0, "", "", ops=("qmul",)),
    Layer("requantize 64 ch, 24x24, in place", requantize(64, 24), 0, "", "", ops=("requantize",)),
    Layer("concat 24 and 40 ch, 24x24", concat((24, 40), 24), 0, "", "", ops=("concat",)),
)
# name: most cycles (0: no goal), ESP-DL's, trial kernels'.
NETWORK_GOALS = {
    "digits network": (0, "", ""),
    "MNIST network": (195_000, "8.01 M", "182 k"),
    "MLPerf Tiny ResNet-8": (1_750_000, "", ""),
    "MLPerf Tiny MobileNet (VWW)": (1_400_000, "", ""),
    "MLPerf Tiny DS-CNN": (430_000, "", ""),
    "MLPerf Tiny autoencoder": (80_000, "", ""),
}


@dataclass(frozen=True)
class Row:
    """What was measured; `work` is nominal MACs, or elements of the result where there are none."""

    cycles: int
    code_bytes: int
    arena_bytes: int
    weights_bytes: int
    work: int

    @property
    def rate(self) -> float:
        """Work for each cycle."""
        return self.work / self.cycles


@functools.cache
def compiled(build: Build) -> CompiledModel:
    """A layer's model, written as ONNX and compiled."""
    net = LayerModel()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "layer.onnx"
        net.save(build(net), path)
        return p4c.compile(path, chip_rev=CHIP_REV, ram_budget=LAYER_BUDGET)


def measure_layer(layer: Layer) -> Row:
    """The layer's own steps, called directly in turn; the last of three rounds counts."""
    model = compiled(layer.build)
    plan = model.plan
    places = [index for index, step in enumerate(plan.steps) if step.node.op in layer.ops]
    first = 0 if layer.from_input else places[0]
    steps = plan.steps[first : places[-1] + 1]
    functions = layer_functions(plan, model.name)
    symbols = {symbol.name: symbol for symbol in model.build.elf.functions}
    called = [symbols[functions[layer_key(step)].name] for step in steps]
    work = sum(step.macs for step in steps) or plan.graph.type_of(steps[-1].node.name).elements
    return Row(
        cycles=warm_cycles(model, first, steps, [symbol.address for symbol in called], layer.weights_region),
        code_bytes=sum(symbol.size for symbol in set(called)),
        arena_bytes=plan.arena_bytes,
        weights_bytes=plan.weights_bytes,
        work=work,
    )


def warm_cycles(
    model: CompiledModel, first: int, steps: Sequence[Step], addresses: Sequence[int], weights_region: str
) -> int:
    """Run everything before the step `first`, then three rounds of these steps; the cycles of the last round."""
    image = with_weights_in(model.build.image, weights_region)
    random = np.random.default_rng(1)
    values = {i.name: random.integers(-128, 128, i.shape).astype(np.float32) / 16 for i in model.inputs}
    session = SimulatorDevice(CHIP_REV, timing=TIMING).load(image)
    try:
        session.run(input_block(model.plan, stored_inputs(model.plan, values), 0), steps=first)
        before = after = session.simulator.counters
        for _ in range(WARM_CALLS):
            before = session.simulator.counters
            for step, address in zip(steps, addresses, strict=True):
                start = session.code + address - model.build.elf.base
                session.simulator.call(start, *arguments(model, image, step))
            after = session.simulator.counters
    finally:
        session.close()
    return (after - before).cycles


def arguments(model: CompiledModel, image: Image, step: Step) -> list[int]:
    """The arguments of a layer's function as p4c_<model>_run passes them."""
    bases, buffers = place_segments(image), model.plan.buffers
    offsets = {"arena": 0, "input": image.input_offset, "output": image.output_offset}

    def address(buffer: Buffer) -> int:
        return bases["arena"] + offsets[buffer.place] + buffer.offset

    return [
        *(address(buffers[name]) for name in step.operands),
        *(bases[at.weights] + at.offset for at in step.constants.values() if at is not None),
        address(buffers[step.node.name]),
        *([address(step.scratch)] if step.scratch else []),
    ]


def with_weights_in(image: Image, region: str) -> Image:
    """The image with its weights placed in another memory."""
    moved = [replace(s, region=region) if s.kind == "weights" else s for s in image.segments]
    return replace(image, segments=moved)


def measure_network(path: Path) -> Row:
    """A whole inference."""
    model = p4c.compile(path, chip_rev=CHIP_REV, ram_budget=NETWORK_BUDGET)
    result = profile(model, TIMING)
    macs = sum(step.macs for step in model.plan.steps)
    return Row(result.total.cycles, result.code_bytes, model.plan.arena_bytes, model.plan.weights_bytes, macs)


def measure() -> dict[str, Row]:
    """Every row that can be measured here: networks that are not beside the checkout are left out."""
    rows = {name: measure_network(path) for name, path in NETWORKS.items() if path.exists()}
    return rows | {layer.name: measure_layer(layer) for layer in LAYERS}


def read_table() -> dict[str, Row]:
    """The committed table."""
    lines = [line.split("\t") for line in TABLE.read_text(encoding="utf-8").splitlines()[2:]]
    return {name: Row(*map(int, numbers)) for name, *numbers in lines}


def compilers() -> tuple[str, str]:
    """The C compiler that the committed table was made with, and the one that is installed."""
    return TABLE.read_text(encoding="utf-8").splitlines()[0].removeprefix("# zig "), find_toolchain("zig").version()


def table_text(rows: Mapping[str, Row]) -> str:
    """The text of the committed table."""
    lines = [("name", *(field.name for field in fields(Row))), *((name, *astuple(row)) for name, row in rows.items())]
    text = "".join("\t".join(map(str, line)) + "\n" for line in lines)
    return f"# zig {find_toolchain('zig').version()}\n{text}"


def differences(old: Mapping[str, Row], new: Mapping[str, Row]) -> list[str]:
    """What changed, a line for each figure; networks that could not be measured did not."""
    lines = []
    for name in dict.fromkeys([*old, *new]):
        if name not in old or (name not in new and name not in NETWORKS):
            lines.append(f"{name}: a {'new row' if name in new else 'row that is gone'}")
        elif name in new and old[name] != new[name]:
            pairs = {key: (value, vars(new[name])[key]) for key, value in vars(old[name]).items()}
            changed = [f"{key} {a:,} -> {b:,}" for key, (a, b) in pairs.items() if a != b]
            lines.append(f"{name}: {', '.join(changed)}")
    return lines


def update(rows: Mapping[str, Row]) -> None:
    """Write the committed table and the page's; rows that could not be measured stay."""
    old = read_table() if TABLE.exists() else {}
    order = [*NETWORKS, *(layer.name for layer in LAYERS)]
    merged = {name: rows.get(name) or old[name] for name in order if name in rows or name in old}
    TABLE.write_text(table_text(merged), encoding="utf-8")
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + page_text(merged) + END + rest.partition(END)[2], encoding="utf-8")


def page_text(rows: Mapping[str, Row]) -> str:
    """The table of docs/performance.md, and why goals are missed."""
    head = "| network or layer | goal | p4c | met | ESP-DL | trial kernel | cycles | code | arena |"
    lines = [head, "|---|---|---:|---|---|---|---:|---:|---:|"]
    reasons = []
    for name, (most, reference, trial) in NETWORK_GOALS.items():
        if name in rows:
            lines.append(_page_line(name, rows[name], 0, most, reference, trial))
    for layer in LAYERS:
        if layer.name not in rows:
            continue
        row = rows[layer.name]
        lines.append(_page_line(layer.name, row, layer.goal, layer.most_cycles, layer.reference, layer.trial))
        if not met(row, layer.goal, layer.most_cycles):
            reasons.append(f"* {layer.name}: {layer.why}")
    missed = ["", "Goals that are missed, and why:", "", *reasons] if reasons else []
    return "\n".join([*lines, *missed]) + "\n"


def met(row: Row, goal: float, most_cycles: int) -> bool:
    """True when a row reaches its goal."""
    return row.cycles <= most_cycles if most_cycles else row.rate >= goal


def _page_line(name: str, row: Row, goal: float, most: int, reference: str, trial: str) -> str:
    aim = f"<= {most:,} cycles" if most else f">= {goal}" if goal else ""
    verdict = "" if not aim else "yes" if met(row, goal, most) else "**no**"
    figures = f"{row.cycles:,} | {row.code_bytes:,} | {row.arena_bytes:,}"
    return f"| {name} | {aim} | {row.rate:.2f} | {verdict} | {reference} | {trial} | {figures} |"


def main() -> None:
    """Measure, print, and with --update write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--update", action="store_true", help="rewrite the committed table and the page")
    options = parser.parse_args()
    rows = measure()
    print(page_text(rows), end="")
    print(f"\n{TIMING.describe()}, one core, warm")
    changed = differences(read_table() if TABLE.exists() else {}, rows)
    print("\n".join(["changed against the committed table:", *changed] if changed else ["as committed"]))
    if options.update:
        update(rows)


if __name__ == "__main__":
    main()
