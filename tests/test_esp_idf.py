"""firmware/ports/esp-idf, compiled against headers that are written from IDF's public signatures."""

from __future__ import annotations

import itertools
import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

import p4c
from p4c.backend.pie.assembler import assemble
from p4c.backend.toolchain import find_toolchain
from p4c.compiler.errors import ToolchainError

from .exported import DIALECTS, GNU, STUBS, cmake_libraries, needs_cmake

FIRMWARE = Path(p4c.__file__).parent / "firmware"
PORT = FIRMWARE / "ports" / "esp-idf"
SOURCES = [PORT / "main" / f"{name}.c" for name in ("main", "memory", "runner", "fault")]
LINES = ("usb_jtag", "tinyusb", "uart")
CHIPS = ("v1", "v3")
TABLE = Path(__file__).parent / "data" / "esp_idf" / "names.tsv"

pytestmark = pytest.mark.skipif(not PORT.is_dir(), reason="not run from a checkout")


def names():
    """What the project uses of IDF: name -> the defining file in IDF 5 and in IDF 6, "-" where it has none."""
    rows = [line.split("\t") for line in TABLE.read_text().splitlines()[2:]]
    return {name: dict(zip(DIALECTS, files, strict=True)) for name, *files in rows}


def settings(*files):
    """CONFIG_ names and values of sdkconfig files, later ones winning."""
    found = {}
    for file in files:
        for name, value in re.findall(r"^(CONFIG_\w+)=(.*)$", (PORT / file).read_text(), re.MULTILINE):
            found[name] = value
    return found


def configuration(idf, line, chip):
    """sdkconfig as IDF would make it of our files, with those of its own options that our code looks at."""
    found = settings("sdkconfig.defaults", "sdkconfig.defaults.esp32p4", f"sdkconfig.{chip}", f"sdkconfig.{line}")
    # IDF 6 takes the old name of the protection of memory.
    if idf == 6:
        found["CONFIG_ESP_SYSTEM_MEMPROT"] = found.pop("CONFIG_ESP_SYSTEM_PMP_IDRAM_SPLIT", "y")
    else:
        found.setdefault("CONFIG_ESP_SYSTEM_PMP_IDRAM_SPLIT", "y")
    found["CONFIG_CACHE_L2_CACHE_LINE_SIZE"] = "128" if "CONFIG_CACHE_L2_CACHE_LINE_128B" in found else "64"
    usb = "CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG" in found
    if not usb:
        found |= {"CONFIG_ESP_CONSOLE_UART": "y", "CONFIG_ESP_CONSOLE_UART_NUM": "0"}
    if usb or "CONFIG_ESP_CONSOLE_SECONDARY_NONE" not in found:
        found["CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG_ENABLED"] = "y"
    kconfig = (PORT / "main" / "Kconfig.projbuild").read_text()
    for name, body in re.findall(r"^config (\w+)\n((?:    .*\n)*)", kconfig, re.MULTILINE):
        if "depends on" not in body or f"CONFIG_{re.search(r'depends on (.*)', body)[1]}" in found:
            found[f"CONFIG_{name}"] = re.search(r"default (\d+)", body)[1]
    return found


def write_config(folder, config):
    """sdkconfig.h: y is 1, n is not there."""
    lines = [f"#define {name} {'1' if value == 'y' else value}\n" for name, value in config.items() if value != "n"]
    (folder / "sdkconfig.h").write_text("".join(lines))


def flags(idf):
    includes = [f"-I{STUBS / 'esp-idf'}", f"-I{FIRMWARE / 'core'}", "-I."]
    return [DIALECTS[idf], f"-DIDF_MAJOR={idf}", *includes]


def sources(line):
    """What main/CMakeLists.txt takes for a line."""
    return [*SOURCES, PORT / "main" / f"line_{line}.c"]


def compile_port(folder, idf, line):
    """The objects' symbols: those that are defined, and those that are asked for."""
    defined, wanted = set(), set()
    for source in [*sources(line), *sorted((FIRMWARE / "core").glob("*.c"))]:
        find_toolchain("zig").compile_object(folder, str(source), "x.o", flags(idf))
        table = ELFFile(BytesIO((folder / "x.o").read_bytes())).get_section_by_name(".symtab")
        for symbol in table.iter_symbols():
            if symbol["st_info"]["bind"] == "STB_GLOBAL":
                (wanted if symbol["st_shndx"] == "SHN_UNDEF" else defined).add(symbol.name)
    return defined, wanted - defined


@pytest.mark.parametrize(("idf", "line", "chip"), [(5, "usb_jtag", "v1"), (6, "tinyusb", "v3"), (5, "uart", "v3")])
def test_the_port_compiles(tmp_path, idf, line, chip):
    """All warnings are errors. What it asks of the linker is IDF's, and C's."""
    write_config(tmp_path, configuration(idf, line, chip))
    defined, wanted = compile_port(tmp_path, idf, line)
    assert {"app_main", "__wrap_esp_panic_handler"} <= defined
    known = {name for name, files in names().items() if files[idf] != "-"}
    stubs = {"esp_stub_log", "esp_stub_check", "uart_stub_set_pin5", "__real_esp_panic_handler", "memcpy", "memset"}
    assert wanted <= known | stubs


@pytest.mark.slow
@pytest.mark.parametrize(("idf", "line", "chip"), [*itertools.product(DIALECTS, LINES, CHIPS)])
def test_every_line_compiles_with_both_generations(tmp_path, idf, line, chip):
    write_config(tmp_path, configuration(idf, line, chip))
    compile_port(tmp_path, idf, line)


@pytest.mark.slow
@needs_cmake
@pytest.mark.parametrize("line", LINES)
def test_cmake_builds_the_port(tmp_path, line):
    """main with the file of its line, and the core as a component."""
    config = configuration(5, line, "v3")
    write_config(tmp_path, config)
    # main sees every component.
    settings = [f"set({name} 1)" for name in config] + [f"include_directories({FIRMWARE / 'core'})"]
    components = {"core": PORT / "components" / "p4c_core", "main": PORT / "main"}
    assert cmake_libraries(tmp_path, components, *settings) == {"libcore.a", "libmain.a"}
    command = [GNU.replace("gcc", "nm"), tmp_path / "made" / "main" / "libmain.a"]
    assert f"line_{line}" in subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.skipif(shutil.which("gcc") is None, reason="there is no gcc")
@pytest.mark.parametrize("idf", DIALECTS)
def test_the_hosts_compiler_has_nothing_to_say(tmp_path, idf):
    """A second opinion, by gcc with more warnings; pointers of the host are larger than addresses."""
    quiet = ["-Wno-int-to-pointer-cast", "-Wno-pointer-to-int-cast"]
    for line in LINES:
        write_config(tmp_path, configuration(idf, line, "v3"))
        command = ["gcc", "-fsyntax-only", "-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror"]
        command += [*quiet, *flags(idf), *map(str, sources(line))]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("idf", "change", "text"),
    [
        (5, {"CONFIG_ESP_SYSTEM_PMP_IDRAM_SPLIT": "y"}, "memory protection keeps code in data memory from executing"),
        (6, {"CONFIG_ESP_SYSTEM_MEMPROT": "y"}, "memory protection keeps code in data memory from executing"),
        (5, {"CONFIG_ESP_CONSOLE_USB_SERIAL_JTAG_ENABLED": "y"}, "the log goes to the port of the protocol"),
    ],
)
def test_settings_that_cannot_work_are_refused(tmp_path, idf, change, text):
    write_config(tmp_path, configuration(idf, "usb_jtag", "v3") | change)
    with pytest.raises(ToolchainError) as caught:
        find_toolchain("zig").compile_object(tmp_path, str(PORT / "main" / "main.c"), "x.o", flags(idf))
    assert text in caught.value.problems[0].what


def test_the_log_of_a_uart_board_is_elsewhere(tmp_path):
    config = configuration(5, "uart", "v3")
    assert "CONFIG_ESP_CONSOLE_UART" not in config
    config |= {"CONFIG_ESP_CONSOLE_UART": "y", "CONFIG_ESP_CONSOLE_UART_NUM": "0"}
    write_config(tmp_path, config)
    with pytest.raises(ToolchainError, match="the log goes to the port of the protocol"):
        find_toolchain("zig").compile_object(tmp_path, str(PORT / "main" / "main.c"), "x.o", flags(5))


def test_every_option_is_one_of_idf():
    """Options that IDF does not know are ignored without a word; so each is in the table, or in our own Kconfig."""
    own = {
        f"CONFIG_{name}"
        for name in re.findall(r"^\s*config (\w+)", (PORT / "main" / "Kconfig.projbuild").read_text(), re.MULTILINE)
    }
    files = [
        *PORT.glob("sdkconfig*"),
        *(PORT / "main").glob("*.[ch]"),
        *(FIRMWARE.parent / "backend" / "component").glob("*.in"),
    ]
    assert len(files) > 12
    used = {name for file in files for name in re.findall(r"\bCONFIG_\w+", file.read_text())}
    assert {name for name in used if "_P4C_" not in name} <= set(names())
    assert {name for name in used if "_P4C_" in name and "@" not in name and name != "CONFIG_P4C_"} <= own
    # Each in at least one generation, and none left that nothing uses.
    listed = {name for name in names() if name.startswith("CONFIG_")}
    assert listed <= used
    assert not [name for name, files in names().items() if set(files.values()) == {"-"}]


def test_each_generation_knows_what_the_files_set():
    """But for memory protection, whose old name IDF 6 takes (components/esp_system/sdkconfig.rename)."""
    table = names()
    for file in PORT.glob("sdkconfig*"):
        for name in settings(file.name):
            if not name.startswith("CONFIG_P4C_") and name != "CONFIG_ESP_SYSTEM_PMP_IDRAM_SPLIT":
                assert "-" not in table[name].values(), name


def test_the_first_vector_instruction_is_what_it_says():
    text = (PORT / "main" / "cpu.h").read_text()
    words = [int(word, 16) for word in re.findall(r"\.word (0x\w+)", text)]
    assert words == [assemble("esp.zero.q q0", chip) for chip in CHIPS]


def test_build_files_name_what_is_there():
    main = (PORT / "main" / "CMakeLists.txt").read_text()
    named = set(re.findall(r"\b\w+\.c\b", main)) - {"fault.c"}
    assert named | {"fault.c"} == {path.name for path in (PORT / "main").glob("*.c")}
    assert {path.name for line in LINES for path in sources(line)} == named | {"fault.c"}
    core = (PORT / "components" / "p4c_core" / "CMakeLists.txt").read_text()
    assert sorted(re.findall(r"p4c_\w+\.c", core)) == sorted(path.name for path in (FIRMWARE / "core").glob("*.c"))
    rows = [line.split(",") for line in (PORT / "partitions.csv").read_text().splitlines() if line[0] != "#"]
    assert [row[0] for row in rows] == ["nvs", "phy_init", "factory"]
    assert all(len(row) == 5 for row in rows)
