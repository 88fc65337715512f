"""The ESP-IDF port at work: its C on a host's threads in place of two cores, and code of the host's processor."""

from __future__ import annotations

import os
import platform
import shutil
import struct
import subprocess
import sys
import zlib

import pytest

import p4c
from p4c.backend.cache import run_tool

from .board_packets import (
    ALLOC,
    BLOCK,
    BOARD,
    CALL,
    CANCEL,
    COMMIT,
    EXEC,
    FAULT,
    FREE,
    GET_INFO,
    HEAP,
    INTERNAL,
    LOAD,
    PING,
    READ,
    RESET,
    SPIRAM,
    TCM,
    UNLOAD,
    WRITE,
    Answer,
    extended,
    words,
)
from .exported import STUBS
from .models import small_net
from .test_esp_idf import FIRMWARE, PORT, SOURCES, configuration, write_config

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not PORT.is_dir(), reason="not run from a checkout"),
    pytest.mark.skipif(
        (sys.platform, platform.machine()) != ("linux", "x86_64"), reason="its code and addresses are x86-64 Linux's"
    ),
]

# x86-64.
RETURN_42 = bytes.fromhex("b82a000000c3")
LOOP = bytes.fromhex("ebfe")
WILD = bytes.fromhex("31c08b00c3")


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    """The port's files beside another cpu.h, compiled with the fake IDF."""
    folder = tmp_path_factory.mktemp("port")
    write_config(folder, configuration(5, "usb_jtag", "v3"))
    sources = [*SOURCES, PORT / "main" / "line_usb_jtag.c", STUBS / "threads" / "idf.c", STUBS / "threads" / "cpu.h"]
    sources += [*(FIRMWARE / "core").iterdir(), PORT / "main" / "board.h"]
    for source in sources:
        if source.suffix in (".c", ".h"):
            shutil.copy(source, folder)
    command = [sys.executable, "-m", "ziglang", "cc", "-std=gnu17", "-O1", "-g", "-mcpu=baseline", "-pthread"]
    command += ["-Wall", "-Wextra", "-Werror", "-Wno-pointer-to-int-cast", "-Wno-int-to-pointer-cast", "-I."]
    names = sorted(path.name for path in folder.glob("*.c"))
    command += [f"-I{STUBS / 'esp-idf'}", *names, "-o", "board"]
    run_tool(command, timeout=300, what="compiling the port", cwd=folder)
    return folder / "board"


class Process:
    """The port in a process; every request is answered in the + form, checked here."""

    def __init__(self, program, revision="301"):
        environment = os.environ | {"REVISION": revision}
        pipe = subprocess.PIPE
        self.process = subprocess.Popen([program], stdin=pipe, stdout=pipe, stderr=pipe, env=environment)
        self.sequence = 0

    def send(self, command, payload=b""):
        self.sequence += 1
        self.process.stdin.write(extended(command, payload, self.sequence))
        self.process.stdin.flush()

    def receive(self):
        head = self.process.stdout.read(12)
        magic, command, flags, length, sequence = struct.unpack("<HBBII", head)
        assert magic == 0x5AA5
        payload = self.process.stdout.read(length)
        assert self.process.stdout.read(4) == words(zlib.crc32(head + payload))
        return Answer(command, flags, payload, sequence)

    def ask(self, command, payload=b""):
        self.send(command, payload)
        answer = self.receive()
        assert (answer.command, answer.sequence) == (command, self.sequence)
        return answer

    def code(self, data):
        """A function in internal memory."""
        address, error = self.ask(ALLOC, words(len(data), INTERNAL, 128)).words
        assert not error
        assert self.ask(WRITE, words(address, 0) + data).words[0] == len(data)
        return address

    def ends(self):
        """The exit status and what went to the log."""
        return self.process.wait(timeout=20), self.process.stderr.read().decode()


@pytest.fixture
def board(program):
    process = Process(program)
    yield process
    process.process.kill()
    process.process.communicate()


def test_it_says_what_it_is(board, program):
    assert board.ask(PING, b"hello").payload == b"hello"
    info = board.ask(GET_INFO)
    assert info.words[1:3] == (1024 * 1024 + 1024, 128)
    assert info.payload[16:].rstrip(b"\0") == b"p4c esp-idf"
    facts = board.ask(BOARD)
    assert tuple(facts.payload[:2]) == (3, 1)
    assert facts.words[2:4] + facts.words[5:7] == (4096, 4, 32768, 60000)
    assert facts.words[7] == 360_000_000
    old = Process(program, "100")
    assert tuple(old.ask(BOARD).payload[:2]) == (1, 0)
    old.process.communicate(timeout=20)
    assert old.process.returncode == 0


def test_memory_comes_from_the_heaps(board):
    def heap():
        found = board.ask(HEAP).words
        return {found[at]: found[at + 1 : at + 4] for at in range(0, len(found), 5)}

    before = heap()
    # 64 KB of internal memory are the system's.
    assert before[1] == (448 << 10, 384 << 10, 384 << 10)
    assert before[3] == (8 << 10, 8 << 10, 8 << 10)
    data = bytes(range(256)) * 20
    for caps, kind in ((INTERNAL, 1), (SPIRAM, 2), (TCM, 3)):
        address = board.ask(ALLOC, words(len(data), caps, 128)).words[0]
        assert address % 128 == 0
        board.ask(WRITE, words(address, 0) + data)
        assert board.ask(READ, words(address, len(data), 0)).payload == data
        assert heap()[kind][1] == before[kind][1] - len(data)
        assert board.ask(FREE, words(address)).good
    assert board.ask(ALLOC, words(385 << 10, INTERNAL, 128)).words == (0, 3)
    assert heap() == before


def test_code_runs_in_its_task(board):
    address = board.code(RETURN_42)
    for _ in range(20):
        value, low, high = board.ask(CALL, words(address, 1000)).words
        assert value == 42
        assert 0 < low + (high << 32) < 1 << 33
    assert board.ask(EXEC, words(address)).words == (42,)


def test_code_that_loops_runs_out_of_time_and_the_board_goes_on(board):
    loop, good = board.code(LOOP), board.code(RETURN_42)
    for _ in range(3):
        answer = board.ask(CALL, words(loop, 50))
        assert answer.error == 20
        assert board.ask(CALL, words(good, 1000)).words[0] == 42


def test_cancel_is_heard_while_code_runs(board):
    loop, good = board.code(LOOP), board.code(RETURN_42)
    board.send(CALL, words(loop, 20_000))
    running = board.sequence
    assert board.ask(PING).error == 18
    board.send(CANCEL)
    answers = [board.receive(), board.receive()]
    assert [(a.command, a.sequence) for a in answers] == [(CANCEL, board.sequence), (CALL, running)]
    assert answers[0].words == (1,)
    assert answers[1].error == 19
    assert board.ask(CALL, words(good, 1000)).words[0] == 42


def test_a_fault_is_noted_on_the_way_to_the_restart(board):
    assert board.ask(FAULT).words == (0,) * 8
    address = board.code(WILD)
    board.send(CALL, words(address, 1000))
    status, log = board.ends()
    assert status == 43
    # The interrupt level that the chip keeps in mcause is none of the cause.
    assert f"faults 1 cause 5 pc {address + 2:#x} value 0 in firmware 0" in log


def test_reset_answers_first(board):
    assert board.ask(RESET, words(0)).good
    assert board.ask(RESET, words(2)).good
    assert board.ends()[0] == 42


def test_an_image_is_loaded_and_checked(board, tmp_path):
    """Its segments lie in the memories that they ask for; the caches are told (or the fake would end the process)."""
    image = p4c.compile(small_net().save(tmp_path / "small.onnx")).build.image_bytes
    size = struct.unpack_from("<H", image, 6)[0]
    handle, offset = board.ask(LOAD, image[:size]).words
    while offset < len(image):
        offset = board.ask(BLOCK, words(handle, offset) + image[offset : offset + 4096]).words[0]
    assert board.ask(COMMIT, words(handle)).good
    assert board.ask(UNLOAD, words(handle, 0)).good
