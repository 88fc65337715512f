"""`--emit component`: its files, what the C compiler says, and its self-test on the simulated chip."""

from __future__ import annotations

import re
import shutil
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import p4c
from p4c.cli import main
from p4c.runtime.simulator.timing import Timing

from .exported import GNU, build_application, cmake_libraries, defaults, needs_cmake, run_application
from .models import shared
from .test_c_api import compile_text
from .test_cli_errors import error, snapshot


def export(source, name, **options):
    """The folder components/<name> of a model in the working folder."""
    output = Path("components", name).resolve()
    p4c.compile(source, output, emit="component", **options)
    return output


def built(tmp_path, *components, **options):
    folder = tmp_path / "build"
    folder.mkdir(exist_ok=True)
    return build_application(folder, components, **options)


def toolchains():
    return [
        pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"there is no {name}"))
        for name, missing in (("zig", False), (GNU, shutil.which(GNU) is None))
    ]


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("toolchain", toolchains())
@pytest.mark.parametrize(("chip_rev", "idf"), [("v3", 6), ("v1", 5)])
def test_self_test_passes_on_both_chips(folder, chip_rev, idf, toolchain):
    """Compiled with all warnings as errors, in the dialects of both generations of IDF; nothing stays allocated."""
    component = export("small.onnx", "net")
    elf = built(folder, component, chip_rev=chip_rev, idf=idf, toolchain=toolchain)
    words = run_application(elf, chip_rev).splitlines()
    cycles = [
        int(re.fullmatch(rf"p4c_net: {which} run (\d+) cycles", line)[1])
        for which, line in zip(("first", "second"), words, strict=False)
    ]
    assert min(cycles) > 500
    assert words[2:] == ["p4c_net: self-test passed", "0 blocks left"]


def test_two_components_in_one_application(folder):
    """Two exports of one model under two names, and one of another; all symbols that they share are C's and IDF's."""
    shutil.copy("small.onnx", "model.onnx")
    components = [export("model.onnx", name) for name in ("first", "second")] + [export("many.onnx", "third")]
    elf = built(folder, *components)
    words = run_application(elf).splitlines()
    assert [line for line in words if "self-test" in line] == [
        f"p4c_{name}: self-test passed" for name in ("first", "second", "third")
    ]
    symbols = ELFFile(BytesIO(elf)).get_section_by_name(".symtab").iter_symbols()
    shown = {symbol.name for symbol in symbols if symbol["st_info"]["bind"] == "STB_GLOBAL"}
    ours = {"app_main", "bare", "heap_caps", "memcpy", "memset", "memcmp", "printf"}
    public = {name for name in shown if not name.startswith(tuple(ours))} - {"P4C_BASE", "__global_pointer$"}
    expected = {
        f"p4c_{name}_{what}"
        for name in ("first", "second", "third")
        for what in ("load", "run", "run_steps", "unload", "weights")
    }
    assert public == expected


def test_self_test_fails_where_a_weight_is_wrong(folder):
    component = export("small.onnx", "net")
    blob = component / "src" / "weights.bin"
    data = bytearray(blob.read_bytes())
    data[-64] ^= 0x40
    blob.write_bytes(data)
    text = run_application(built(folder, component))
    assert "p4c_net: output logits differs from byte " in text
    assert "p4c_net: self-test FAILED" in text


def test_weights_lie_where_kconfig_says(folder):
    """Two blobs, each in each memory; the copies are aligned, and the values do not depend on it."""
    component = export("small.onnx", "net", ram_budget=1400)
    assert {"src/weights.bin", "src/weights_psram.bin"} <= files_of(component)
    assert defaults(component) == {
        *("CONFIG_P4C_NET_ARENA_IN_L2MEM", "CONFIG_P4C_NET_WEIGHTS_IN_L2MEM", "CONFIG_P4C_NET_WEIGHTS_PSRAM_IN_PSRAM")
    }
    others = [
        set(),
        {"CONFIG_P4C_NET_WEIGHTS_IN_PSRAM", "CONFIG_P4C_NET_WEIGHTS_PSRAM_IN_L2MEM", "CONFIG_P4C_NET_ARENA_IN_PSRAM"},
    ]
    for chosen in (defaults(component), *others):
        elf = built(folder, component, chosen=chosen)
        assert run_application(elf).endswith("self-test passed\n0 blocks left\n"), chosen
        blobs = [
            symbol["st_value"]
            for symbol in ELFFile(BytesIO(elf)).get_section_by_name(".symtab").iter_symbols()
            if symbol.name in ("p4c_net_weights", "p4c_net_weights_psram")
        ]
        assert len(blobs) == 2
        assert not any(address % 16 for address in blobs)


@pytest.mark.parametrize("number", [1, 2])
def test_load_keeps_nothing_where_memory_does_not_suffice(folder, number):
    elf = built(folder, export("small.onnx", "net"), extra=[f"-DBARE_FAILS_AT={number}"])
    assert run_application(elf) == "p4c_net: no memory for arena and weights\n0 blocks left\n"


def test_files(folder):
    component = export("small.onnx", "net")
    kernels = {name for name in files_of(component) if name.startswith("src/kernels/")}
    assert files_of(component) - kernels == {
        *("CMakeLists.txt", "Kconfig", "README.md", "idf_component.yml", "include/p4c_net.h"),
        *("src/p4c_net.c", "src/p4c_net_load.c", "src/p4c_net_weights.S", "src/weights.bin"),
        *(f"examples/self_test/{name}" for name in ("CMakeLists.txt", "sdkconfig.defaults")),
        *(f"examples/self_test/main/{name}" for name in ("CMakeLists.txt", "main.c", "self_test.h")),
    }
    # Kernels that the network does not use are left out, and all that is included is there.
    assert {"src/kernels/p4c_pie_v1.h", "src/kernels/p4c_pie_v3.h"} < kernels
    assert "src/kernels/p4c_softmax.h" not in kernels
    for name in kernels:
        text = (component / name).read_text()
        for included in re.findall(r'#include "(\w+\.h)"', text):
            assert f"src/kernels/{included}" in kernels | {"src/kernels/sdkconfig.h"}
    # Nothing is left to fill in.
    texts = {name: (component / name).read_bytes() for name in files_of(component) if not name.endswith(".bin")}
    assert not [name for name, text in texts.items() if re.search(rb"@\w+@", text)]


def test_kconfig_and_c_have_the_same_names(folder):
    component = export("small.onnx", "net", ram_budget=1400)
    declared = set(re.findall(r"config (P4C_NET_\w+)", (component / "Kconfig").read_text()))
    used = set(re.findall(r"CONFIG_(P4C_NET_\w+)", (component / "src" / "p4c_net_load.c").read_text()))
    # In flash, or for the arena in L2MEM, is what is left.
    left = {"P4C_NET_ARENA_IN_L2MEM", "P4C_NET_WEIGHTS_IN_FLASH", "P4C_NET_WEIGHTS_PSRAM_IN_FLASH"}
    assert used | left == declared


def test_scalar_component_has_no_vector_instructions(folder):
    component = export("small.onnx", "net", pie=False)
    assert not [name for name in files_of(component) if "pie" in name]
    assert run_application(built(folder, component)).endswith("self-test passed\n0 blocks left\n")


def test_pixel_table_is_there_without_normalization_too(folder):
    header = (export("small.onnx", "net") / "include" / "p4c_net.h").read_text()
    assert "The stored input for a pixel 0..255: quantize(pixel)." in header
    header = (export("small.onnx", "net", normalize="0.5,0.5") / "include" / "p4c_net.h").read_text()
    assert "quantize((pixel / 255 - mean) / std), mean 0.5, std 0.5" in header
    assert "from_pixel" not in (export("many.onnx", "net") / "include" / "p4c_net.h").read_text()


@pytest.mark.parametrize("dialect", ["c99", "c++17"])
def test_header_is_clean_in_c_and_cpp(folder, dialect):
    include = export("small.onnx", "net") / "include"
    text = '#include "p4c_net.h"\nint use(struct p4c_net_io *io);\n'
    text += "int use(struct p4c_net_io *io) { return p4c_net_load(io) + p4c_net_run(io) + P4C_NET_STEPS; }\n"
    assert compile_text(include, text, dialect) == {"p4c_net_load", "p4c_net_run"}


def test_command(folder, capsys):
    """The component is called as its folder; what is there already is replaced if p4c wrote it."""
    for _ in range(2):
        assert main(["small.onnx", "--emit", "component", "-o", "components/My-Net.v2"]) == 0
        assert "ESP-IDF component" in capsys.readouterr().out
    assert (folder / "components" / "My-Net.v2" / "include" / "p4c_my_net_v2.h").exists()
    assert main(["small.onnx", "--emit=component", "--name", "other"]) == 0
    assert (folder / "components" / "small" / "include" / "p4c_other.h").exists()
    capsys.readouterr()
    (folder / "theirs").mkdir()
    (folder / "theirs" / "idf_component.yml").write_text("version: 1.0.0\n")
    before = snapshot(folder)
    text = "the output folder theirs exists and is not one that p4c wrote"
    assert error(capsys, "small.onnx", "--emit", "component", "-o", "theirs") == text
    assert error(capsys, "small.onnx", "--emit", "arduino") == "there is nothing to emit called 'arduino'"
    assert snapshot(folder) == before


def test_same_bytes_in_any_folder(folder):
    one = export("small.onnx", "net")
    before = {name: (one / name).read_bytes() for name in files_of(one)}
    (folder / "elsewhere").mkdir()
    shutil.copy("small.onnx", "elsewhere/small.onnx")
    two = Path("elsewhere", "net")
    p4c.compile("elsewhere/small.onnx", two, emit="component")
    assert {name: (two / name).read_bytes() for name in files_of(two)} == before


@pytest.mark.slow
@needs_cmake
def test_cmake_builds_the_component(folder):
    """In a build with -Og, where the kernels' constants would not be folded, and from another folder."""
    component = export("small.onnx", "net")
    (folder / "sdkconfig.h").write_text("")
    assert cmake_libraries(folder, {"net": component}) == {"libnet.a"}


@pytest.mark.slow
@pytest.mark.parametrize("chip_rev", ["v3", "v1"])
@pytest.mark.parametrize(
    "path",
    [
        "mnist_qat/inputq_qdq_int8.onnx",
        "mlperf_tiny/vww_mobilenet_pow2_fused_qdq.onnx",
        "mlperf_tiny/resnet8_pow2_fused_qdq.onnx",
    ],
)
def test_self_test_of_real_networks(tmp_path, path, chip_rev):
    """With the timing model the second run, from warm caches, is not slower."""
    source = shared("models", *path.split("/"))
    component = tmp_path / "net"
    p4c.compile(source, component, emit="component")
    text = run_application(built(tmp_path, component, chip_rev=chip_rev), chip_rev, timing=Timing())
    cycles = [int(word) for word in re.findall(r"run (\d+) cycles", text)]
    assert cycles[1] <= cycles[0]
    assert text.endswith("self-test passed\n0 blocks left\n")
