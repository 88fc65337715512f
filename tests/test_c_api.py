"""The generated C as people use it in their own firmware: headers in C and C++, values, two models side by side."""

from __future__ import annotations

import re
import sys
from io import BytesIO

import numpy as np
import pytest
from elftools.elf.elffile import ELFFile

from p4c.backend.build import build
from p4c.backend.cache import run_tool
from p4c.backend.elf import read_elf
from p4c.backend.emit_header import PixelTable
from p4c.backend.naming import c_name, comment, unique_names
from p4c.backend.target import ESP32P4
from p4c.backend.toolchain import find_toolchain
from p4c.compiler.numerics import quantize
from p4c.driver import pixel_table
from p4c.runtime.borders import stored_inputs
from p4c.runtime.data import Normalization
from p4c.runtime.simulator.simulator import Simulator

from .graphs import Net, compile_graph, plan_of, random_inputs

WARNINGS = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
DIALECTS = {"c99": ["cc", "-std=c99"], "c11": ["cc", "-std=c11"], "c++17": ["c++", "-std=c++17", "-x", "c++"]}


def compile_text(folder, text, dialect):
    """Compile text in a dialect for the chip, without a library; returns the symbols that the object asks for."""
    command, *flags = DIALECTS[dialect]
    (folder / "use.c").write_text(text)
    zig = [
        sys.executable,
        "-m",
        "ziglang",
        command,
        "-target",
        "riscv32-freestanding-none",
        "-c",
        "-fno-sanitize=undefined",
    ]
    run_tool([*zig, *flags, *WARNINGS, "use.c", "-o", "use.o"], timeout=120, what="compiling the header", cwd=folder)
    symbols = ELFFile(BytesIO((folder / "use.o").read_bytes())).get_section_by_name(".symtab").iter_symbols()
    return {symbol.name for symbol in symbols if symbol["st_shndx"] == "SHN_UNDEF"} - {""}


def borders(seed=0, name="first"):
    """Two inputs, and outputs of every kind: dequantized, stored, accumulators with a bias for each channel."""
    net = Net(seed, name)
    x, s = net.input(3, 4, 4, name="image"), net.stored_input(5)
    net.output(net.quantize(net.conv(x, 4, bias="off", e=[5, 6, 7, 8]), 1))
    net.stored_output(net.quantize(net.dense(s, 7), 2))
    net.output(net.dense(s, 3, bias="off", e=[5, 6, 7]))
    return net


def write(folder, sources):
    for name, data in sources.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def macros(text):
    """The macros of a header by name."""
    return dict(re.findall(r"#define (\w+) (.*?)(?: /\*.*)?$", text, re.MULTILINE))


def hex_floats(text):
    return [float.fromhex(word.rstrip("f")) for word in text.strip("{}").split(", ")]


@pytest.fixture(scope="module")
def model():
    net = borders()
    plan = plan_of(net.graph)
    table = np.arange(256, dtype=np.int32).astype(np.int8).reshape(1, 256)
    pixels = PixelTable(table, (0.5,), (0.25,))
    return plan, build(plan, "first", ESP32P4, "v3", find_toolchain("zig"), pixels)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_header_is_clean_in_c_and_cpp(model, tmp_path, dialect):
    """Before anything else, and twice. C++ calls the C function."""
    write(tmp_path, model[1].sources)
    text = '#include "p4c_first.h"\n#include "p4c_first.h"\nint use(const struct p4c_first_io *io);\n'
    text += "int use(const struct p4c_first_io *io) { return p4c_first_run(io) + P4C_FIRST_STEPS; }\n"
    assert compile_text(tmp_path, text, dialect) == {"p4c_first_run"}


def test_header_says_what_the_plan_says(model):
    plan, built = model
    values = macros(built.sources["p4c_first.h"].decode())
    numbers = {name.removeprefix("P4C_FIRST_"): value for name, value in values.items()}
    assert int(numbers["ARENA_BYTES"]) == plan.arena_bytes
    assert int(numbers["ARENA_LOWER_BOUND"]) == plan.arena_lower_bound
    assert int(numbers["WEIGHTS_BYTES"]) == plan.weights_bytes == len(built.sources["weights.bin"])
    assert int(numbers["STACK_BYTES"]) == built.image.stack_bytes
    assert int(numbers["STEPS"]) == len(plan.steps)
    assert int(numbers["ALIGNMENT"]) == 16
    for border in (*plan.inputs, *plan.outputs):
        name = border.name.upper()
        assert int(numbers[f"{name}_ELEMENTS"]) == border.type.elements
        assert int(numbers[f"{name}_BYTES"]) == border.type.bytes
        if border.type.params.axis is None:
            assert float.fromhex(numbers[f"{name}_SCALE"].rstrip("f")) == border.type.params.scale[0]
            assert int(numbers[f"{name}_EXPONENT"]) == border.type.params.exponent
            assert int(numbers[f"{name}_ZERO_POINT"]) == 0
        else:
            assert tuple(hex_floats(numbers[f"{name}_SCALES"])) == border.type.params.scale
    [bias] = [border for border in plan.outputs if border.bias is not None]
    listed = [
        float.fromhex(text.rstrip("f")) for text in numbers[f"{bias.name.upper()}_BIAS"].strip("{}").split(", ")
    ]
    np.testing.assert_array_equal(np.float32(listed), bias.bias)


def test_members_have_the_stored_types(model):
    plan, built = model
    text = built.sources["p4c_first.h"].decode()
    record = text[text.index("struct p4c_first_io {") :].partition("};")[0]
    members = re.findall(r"(const )?(\w+) \*(\w+);", record)
    assert members == [
        ("const ", "int8_t", "image"),
        ("const ", "int8_t", "stored0"),
        ("", "int8_t", "out0"),
        ("", "int8_t", "q2"),
        ("", "int32_t", "fc1"),
        ("", "void", "arena"),
        ("const ", "void", "weights"),
    ]
    assert [border.name for border in plan.outputs] == ["out0", "q2", "fc1"]


FIRMWARE = """
#include "p4c_first.h"
#include "p4c_second.h"
#include "kernels/p4c_support.h"
struct call { int model; const void *a, *b; void *x, *y, *z, *arena; const void *weights; };
int both(const struct call *call);
__attribute__((section(".text.entry"))) int both(const struct call *c)
{
    struct p4c_first_io first = { c->a, c->b, c->x, c->y, c->z, c->arena, c->weights };
    struct p4c_second_io second = { c->a, c->b, c->x, c->y, c->z, c->arena, c->weights };
    return c->model == 1 ? p4c_first_run(&first) : p4c_second_run(&second);
}
"""
SCRIPT = "SECTIONS { . = P4C_BASE; .all : { *(.text.entry) *(.text .text.* .rodata .rodata.* .srodata*) } }\n"


def test_two_models_in_one_firmware(tmp_path):
    """Linked together and called by a record on the simulated chip; each gives what its own image gives."""
    nets = {"first": borders(1), "second": borders(2, "second")}
    models = {name: compile_graph(net.graph, name) for name, net in nets.items()}
    toolchain = find_toolchain("zig")
    for name, model in models.items():
        write(tmp_path, model.build.sources)
        toolchain.compile_object(tmp_path, f"p4c_{name}.c", f"{name}.o")
    (tmp_path / "firmware.c").write_text(FIRMWARE)
    (tmp_path / "firmware.ld").write_text(SCRIPT)
    toolchain.compile_object(tmp_path, "firmware.c", "firmware.o")
    toolchain.link_image(tmp_path, ["firmware.o", "first.o", "second.o"], "firmware.ld", 0x4FF00000, "firmware.elf")
    elf = read_elf((tmp_path / "firmware.elf").read_bytes())
    entry = next(symbol.address for symbol in elf.symbols if symbol.name == "both")
    with Simulator("v3") as chip:
        chip.set_csr(0x7F2, 1)
        chip.write(elf.base, elf.flat)
        for number, (name, model) in enumerate(models.items(), 1):
            plan, base = model.plan, 0x4FF40000
            inputs = random_inputs(plan.graph, rows=1, seed=number)
            raw = stored_inputs(plan, inputs)
            addresses = [base + 0x1000 * i for i in range(8)]
            for border, address in zip(plan.inputs, addresses, strict=False):
                chip.write(address, raw[border.name].tobytes())
            chip.write(addresses[6], plan.weights[0].data)
            record = np.array([number, *addresses[:7]], "<u4")
            chip.write(addresses[7], record.tobytes())
            assert chip.call(entry, addresses[7]).a0 == 0
            expected = model.run(raw, raw=True)
            for border, address in zip(plan.outputs, addresses[2:], strict=False):
                got = np.frombuffer(chip.read(address, border.type.bytes), border.type.numpy)
                np.testing.assert_array_equal(got, expected[border.name].ravel(), err_msg=f"{name} {border.name}")


# Names that ONNX allows and C does not, or that would break a comment or a macro.
ODD = ["int", "class", "a/*b", "*/", "x y\\", "/", "", "stack", "arena", "weights", "é", "x\0\n\u202ey", "9", "A"]


def test_any_tensor_name_compiles(tmp_path):
    net = Net(0, "*/ graph /*")
    for name in ODD:
        x = net.input(3, name=name) if name else net.input(3)
        y = net.quantize(net.dense(x, 2), 1)
        node = net.graph.nodes.pop(y)
        net.graph.nodes[f"{name}'"] = node.with_(name=f"{name}'", loc=name)
        net.output(f"{name}'")
    model = compile_graph(net.graph, c_name("*/ graph /*"))
    inputs = random_inputs(net.graph)
    assert set(model.run(inputs)) == set(net.graph.outputs)
    write(tmp_path, model.build.sources)
    for dialect in DIALECTS:
        assert compile_text(tmp_path, '#include "p4c_graph.h"\n', dialect) == set()


def test_names_become_identifiers_that_differ():
    assert [c_name(text) for text in ("Conv_1", "a.b:0", "9", "", "é", "int", "NULL", "__x__")] == [
        *("conv_1", "a_b_0", "m9", "model", "model", "mint", "null", "x")
    ]
    names = unique_names(["x", "X", "x_1", "x", ""])
    assert len(set(names)) == 5
    assert names[0] == "x"


@pytest.mark.parametrize("text", ["*/", "/*", "/*/", "*//*", "**/", "//**//"])
def test_comments_stay_one(text):
    made = f"/* {comment(text)} */"
    assert made.find("*/", 2) == len(made) - 2
    assert made.find("/*", 1) == -1


@pytest.mark.parametrize(
    ("shape", "text"),
    [
        ((1, 28, 28), "0.1307,0.3081"),
        ((3, 8, 8), "0.485,0.456,0.406,0.229,0.224,0.225"),
        ((8, 8, 3), "0.4,0.5,0.6,0.2,0.3,0.4"),
        ((16,), "none"),
    ],
)
def test_pixel_table_is_what_the_host_computes(shape, text):
    """quantize(normalize(pixel)) for every channel and pixel, written as the header's table and read back."""
    normalization = Normalization.parse(text)
    net = Net()
    x = net.input(*shape, e=5)
    net.output(net.quantize(net.dense(net.same("reshape", x, shape=(1, net.graph.type_of(x).elements)), 2), 1))
    plan = plan_of(net.graph)
    table = pixel_table(plan, normalization)
    built = build(plan, "net", ESP32P4, "v3", find_toolchain("zig"), table)
    body = built.sources["p4c_net.h"].decode().partition("_from_pixel[")[2].partition("};")[0]
    channels, rows = int(body[: body.index("]")]), re.findall(r"\{\n([^{}]*)\}", body)
    table = np.array([[int(value) for value in row.replace("\n", "").split(",")[:-1]] for row in rows])
    assert table.shape == (channels, 256)
    axis = 1 if len(normalization.mean) == 3 and shape[0] == 3 else len(shape)
    images = np.zeros((256, *shape), np.uint8)
    images += np.arange(256, dtype=np.uint8).reshape(-1, *[1] * len(shape))
    stored = quantize(normalization.apply(images, axis if channels > 1 else 1), plan.inputs[0].type, -128, 127)
    for channel in range(channels):
        first = np.take(stored, channel, axis=axis) if channels > 1 else stored
        np.testing.assert_array_equal(table[channel], first.reshape(256, -1)[:, 0])


def test_no_pixel_table_for_stored_or_several_inputs():
    normalization = Normalization.parse("0.5,0.5")
    net = Net()
    net.output(net.quantize(net.dense(net.stored_input(3), 2), 1))
    assert pixel_table(plan_of(net.graph), normalization) is None
    net.output(net.quantize(net.dense(net.input(3), 2), 1))
    assert pixel_table(plan_of(net.graph), normalization) is None
