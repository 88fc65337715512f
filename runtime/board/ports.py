"""Ports where a board may be: those of the system, and virtual boards that registered themselves."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from serial.tools import list_ports

from ...backend.cache import cache_dir
from ...compiler.errors import DeviceError, P4CError
from .board import Board
from .link import QUICK_FILLS
from .transport import DEFAULT_BAUD
from .virtual import VirtualBoard

# Seconds in which a registered virtual board must accept a connection.
ALIVE_SECONDS = 1.0


@dataclass(frozen=True)
class Port:
    """A port and what the system, or the virtual board, says of it."""

    name: str
    text: str


@dataclass(frozen=True)
class Found:
    """What answers at a port; `board` is "" when nothing does, and `text` says why."""

    port: Port
    board: str
    chip_rev: str
    text: str


def candidates() -> list[Port]:
    """Every port where a board could be: USB ones, and registered virtual boards."""
    usb = [Port(port.device, port.description) for port in list_ports.comports() if port.vid is not None]
    return [*usb, *registered()]


def registry() -> Path:
    """The folder in which virtual boards register."""
    folder = cache_dir() / "boards"
    folder.mkdir(exist_ok=True)
    return folder


def registered() -> list[Port]:
    """The virtual boards that still run; what ended without cleaning up is removed."""
    found = []
    for file in sorted(registry().glob("*.json")):
        try:
            entry = json.loads(file.read_text())
            port = Port(entry["url"], entry["text"])
        except (OSError, ValueError, KeyError, TypeError):
            port = None
        if port is not None and _listens(port.name):
            found.append(port)
        else:
            file.unlink(missing_ok=True)
    return found


@contextmanager
def registration(url: str, text: str) -> Iterator[None]:
    """Be registered as a virtual board that listens at a socket:// address."""
    file = registry() / f"{urlsplit(url).port}.json"
    file.write_text(json.dumps({"url": url, "text": text}))
    try:
        yield
    finally:
        file.unlink(missing_ok=True)


def serve(chip_rev: str, port: int, show: Callable[[str], None], *, strict: bool = True) -> None:
    """Run a registered virtual board on a TCP port (0 for any) until Ctrl-C; `show` gets what to print."""
    name = f"{'' if strict else 'lenient '}virtual board, chip revision {chip_rev}"
    with VirtualBoard(chip_rev, port, strict=strict) as board, registration(board.url, name):
        show(f"{name}; end it with Ctrl-C")
        for name in (board.url, board.pty):
            if name:
                show(name)
        with suppress(KeyboardInterrupt):
            board.wait()


def look(port: Port, baud: int = DEFAULT_BAUD) -> Found:
    """Ask what is at a port, without waiting long."""
    try:
        with Board(port.name, baud=baud, fills=QUICK_FILLS) as board:
            heap = board.heap()
            text = f"free: {heap.free_internal // 1024:,} KB internal, {heap.free_psram // 1024:,} KB PSRAM"
            return Found(port, board.firmware.info.describe(), board.chip_rev, text)
    except P4CError as error:
        return Found(port, "", "", error.problems[0].what.removeprefix(f"{port.name} "))


def open_board(device: str, *, baud: int = DEFAULT_BAUD, chip_rev: str = "") -> Board:
    """The board that `device` names: a port, "auto" for the only one that answers, "sim-board" for one made here."""
    if device != "sim-board":
        return Board(only_port(baud) if device == "auto" else device, baud=baud, chip_rev=chip_rev)
    virtual = VirtualBoard(chip_rev or "v3", with_pty=False)
    try:
        return Board(virtual.url, served_by=virtual)
    except BaseException:
        virtual.close()
        raise


def only_port(baud: int = DEFAULT_BAUD) -> str:
    """The one port where a board answers; DeviceError when there is none, or more than one."""
    found = [look(port, baud) for port in candidates()]
    answering = [one for one in found if one.board]
    if len(answering) == 1:
        return answering[0].port.name
    if answering:
        names = ", ".join(one.port.name for one in answering)
        raise DeviceError(f"{len(answering)} boards answer: {names}", "choose one with --device PORT")
    tried = "; ".join(f"{one.port.name} {one.text}" for one in found) or "there is no USB port and no virtual board"
    advice = "connect a board, or use --device sim (the simulator) or sim-board (a virtual board)"
    raise DeviceError(f"no board answers ({tried})", advice)


def _listens(url: str) -> bool:
    """Whether something accepts connections there. A busy virtual board does too, if only to hang up."""
    parts = urlsplit(url)
    try:
        with socket.create_connection((parts.hostname, parts.port), ALIVE_SECONDS):
            return True
    except (OSError, ValueError):
        return False
