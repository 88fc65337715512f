"""Exported components built as ESP-IDF would and run on the simulated chip, with tests/stubs in place of IDF."""

from __future__ import annotations

import re
import shutil
import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from p4c.backend.toolchain import find_toolchain
from p4c.runtime.simulator.simulator import CHIP_REVISIONS, Simulator

STUBS = Path(__file__).parent / "stubs"
SUPPORT = Path(__file__).parent.parent / "firmware" / "ports" / "sim" / "support.c"
FLASH = 0x40000000
PIE_SWITCH = 0x7F2

GNU = "riscv64-unknown-elf-gcc"
needs_cmake = pytest.mark.skipif(None in map(shutil.which, ("cmake", GNU)), reason=f"needs cmake and {GNU}")

# As IDF 5.5 compiles, and then 6.
DIALECTS = {5: "-std=gnu17", 6: "-std=gnu2x"}

MAIN = """\
#include <stdio.h>
#include "bare.h"
{declarations}
int bare_main(void);
int bare_main(void)
{{
    {calls}
    printf("%d blocks left\\n", bare_blocks);
    return 0;
}}
"""


def defaults(component):
    """The choices of a component's Kconfig as an application with PSRAM has them: CONFIG_ names that are set."""
    return {f"CONFIG_{name}" for name in re.findall(r"^    default (\w+)", (component / "Kconfig").read_text(), re.M)}


def write_config(folder, chosen, chip_rev):
    names = {*chosen, "CONFIG_SPIRAM", *(["CONFIG_ESP32P4_SELECTS_REV_LESS_V3"] if chip_rev == "v1" else [])}
    (folder / "sdkconfig.h").write_text("".join(f"#define {name} 1\n" for name in sorted(names)))


def build_application(folder, components, *, chip_rev="v3", chosen=None, toolchain="zig", idf=5, extra=()):
    """One program of several components, in which the app_main of each self-test runs in turn; the ELF's bytes."""
    compiler = find_toolchain(toolchain)
    write_config(folder, set().union(*map(defaults, components)) if chosen is None else chosen, chip_rev)
    common = [DIALECTS[idf], f"-DIDF_MAJOR={idf}", "-I.", *extra]
    common += [f"-I{STUBS / name}" for name in ("esp-idf", "libc", "bare")]
    objects = []

    def compile_source(path, *flags):
        objects.append(f"{len(objects)}.o")
        compiler.compile_object(folder, str(path), objects[-1], [*common, *flags])

    for component in components:
        own = [f"-I{component / 'include'}", f"-I{component / 'src'}", "-Wno-unused-command-line-argument"]
        for source in sorted((component / "src").glob("*.[cS]")):
            compile_source(source, *own)
        example = component / "examples" / "self_test" / "main"
        compile_source(example / "main.c", *own, f"-Dapp_main=app_main_{component.name}")
    mains = [f"app_main_{component.name}" for component in components]
    text = MAIN.format(
        declarations="\n".join(f"void {main}(void);" for main in mains),
        calls="\n    ".join(f"{main}();" for main in mains),
    )
    (folder / "main.c").write_text(text)
    (folder / "bare.ld").write_text((STUBS / "bare" / "bare.ld").read_text())
    for source in ("main.c", STUBS / "bare" / "bare.c", SUPPORT):
        compile_source(source)
    compiler.link_image(folder, objects, "bare.ld", FLASH, "application.elf")
    return (folder / "application.elf").read_bytes()


def run_application(elf_bytes, chip_rev="v3", timing=None):
    """What an application prints."""
    elf = ELFFile(BytesIO(elf_bytes))
    assert chip_rev in CHIP_REVISIONS
    with Simulator(chip_rev, strict=True, timing=timing) as chip:
        chip.attach_devices()
        chip.set_csr(PIE_SWITCH, 1)
        for segment in elf.iter_segments("PT_LOAD"):
            if segment["p_filesz"]:
                chip.write(segment["p_vaddr"], segment.data())
        chip.call(elf.header["e_entry"])
        return chip.uart_take().decode()


CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project(application C ASM)
include({stubs}/cmake/idf.cmake)
include_directories({folder} {stubs}/esp-idf {stubs}/libc)
add_compile_options(-Og -march=rv32imafc_zicsr -mabi=ilp32f -ffreestanding -Wall -Wextra -Werror)
"""


def cmake_libraries(folder, components, *settings):
    """The libraries that CMake makes of components by name, as IDF would build them at -Og; `settings` come first."""
    lines = [CMAKE.format(stubs=STUBS, folder=folder), *settings]
    for name, component in components.items():
        lines += [f"set(COMPONENT_NAME {name})", f"add_subdirectory({component} {name})"]
    (folder / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
    flags = ["-DCMAKE_SYSTEM_NAME=Generic", "-DCMAKE_TRY_COMPILE_TARGET_TYPE=STATIC_LIBRARY"]
    flags += [f"-DCMAKE_{language}_COMPILER={GNU}" for language in ("C", "ASM")]
    for command in (["cmake", "-B", "made", "-S", ".", *flags], ["cmake", "--build", "made"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    return {path.name for path in (folder / "made").rglob("*.a")}
