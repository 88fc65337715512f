"""What the firmware core costs on the chip: code, constants, memory, and stack in a long conversation."""

from __future__ import annotations

import io
import re
from pathlib import Path

from elftools.elf.elffile import ELFFile

from p4c.backend.toolchain import find_toolchain
from p4c.runtime.simulated_board import SimulatedBoard
from p4c.runtime.simulator.firmware import EXTRA, firmware_elf

from .board_packets import (
    ALL_STEPS,
    ALLOC,
    CALL,
    CANCEL,
    INTERNAL,
    READ,
    RESET,
    RUN,
    UNLOAD,
    WRITE,
    Client,
    extended,
    words,
)
from .firmware_host import FIRMWARE
from .test_firmware_core import IMAGE, write_image

GOLDEN = Path(__file__).parent / "golden" / "firmware_size.txt"
PAINT = 0xA5


def sizes_of(data):
    """Bytes of code, of constants, and of variables in an object file."""
    loaded = [s for s in ELFFile(io.BytesIO(data)).iter_sections() if s["sh_flags"] & 2]
    # The linker scripts throw unwinding tables away.
    sections = [section for section in loaded if not section.name.startswith(".eh_frame")]
    kinds = {"text": 0, "rodata": 0, "variables": 0}
    for section in sections:
        writable, executable = section["sh_flags"] & 1, section["sh_flags"] & 4
        kinds["variables" if writable else "text" if executable else "rodata"] += section["sh_size"]
    return kinds


def symbol(elf, name):
    return next(symbol for symbol in elf.symbols if symbol.name == name)


def converse(client):
    """Everything that goes deep: loading, caching, running, faulting, cancelling, bytes while code runs."""
    data = write_image(IMAGE)
    for _ in range(2):
        handle, *_ = client.load(data, 50)
        assert client.ask(RUN, words(handle, ALL_STEPS, 1000, 1)).error == 21
        client.ask(UNLOAD, words(handle, 1))
    address = client.ask(ALLOC, words(1024, INTERNAL, 128)).words[0]
    client.ask(WRITE, words(address, 0) + (0x6F).to_bytes(4, "little"))
    client.ask(READ, words(address, 1024, 0))
    client.line.feed(extended(CALL, words(address, 10_000), 1))
    client.line.run()
    client.send(extended(CANCEL, b"x", 2) + extended(CANCEL, sequence=3))
    client.ask(RESET, words(1))


def test_what_the_core_costs(golden, tmp_path):
    rows = []
    for source in sorted((FIRMWARE / "core").iterdir()):
        (tmp_path / source.name).write_bytes(source.read_bytes())
    for source in sorted(tmp_path.glob("*.c")):
        find_toolchain("zig").compile_object(tmp_path, source.name, "x.o", EXTRA)
        rows.append((source.name, sizes_of((tmp_path / "x.o").read_bytes())))
    elf = firmware_elf()
    main, trap = symbol(elf, "p4c_main_stack_top").address, symbol(elf, "p4c_trap_stack_top").address
    with SimulatedBoard() as board:
        board.simulator.write(trap - 4096, bytes([PAINT]) * (main - trap + 4096))
        board.run()
        converse(Client(board))
        stack = board.simulator.read(trap, main - trap).lstrip(bytes([PAINT]))
        handler = board.simulator.read(trap - 4096, 4096).lstrip(bytes([PAINT]))
    totals = [sum(kinds[part] for _, kinds in rows) for part in ("text", "rodata")]
    text = "".join(f"{name:16} {kinds['text']:6} code {kinds['rodata']:5} constants\n" for name, kinds in rows)
    assert not any(kinds["variables"] for _, kinds in rows)
    text += f"{'all':16} {totals[0]:6} code {totals[1]:5} constants\n"
    text += f"struct p4c_core  {symbol(elf, 'core').size:6} bytes, and two packet buffers of the caller's\n"
    text += f"stack            {len(stack):6} bytes, {len(handler)} more where bytes come by interrupt\n"
    golden(GOLDEN, text)
    page = (FIRMWARE.parent / "docs" / "hardening.md").read_text(encoding="utf-8")
    assert [
        int(n.replace(",", ""))
        for n in re.findall(r"^\| .* \| ([\d,]+) \|$", page.split("## What it costs")[1], re.M)
    ] == [
        *totals,
        symbol(elf, "core").size,
        len(stack),
    ]
