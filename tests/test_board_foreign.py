"""Boards with P4-JIT firmware, emulated: loading, running, several models, errors, and memory as it was before."""

from __future__ import annotations

import socket
from contextlib import suppress

import numpy as np
import pytest

import p4c
from p4c.compiler.errors import DeviceError, InputError
from p4c.runtime.board.packets import Command

from .faulty_line import FaultyLine
from .foreign_firmware import ForeignFirmware
from .models import many_net, rows, small_net

KINDS = ("1.0", "older", "mixed")


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """small and many, with their inputs and what the simulated chip gives for them."""
    folder = tmp_path_factory.mktemp("models")
    inputs = {"small": rows(5), "many": {"a": rows(3, (6,)), "b": rows(3, (2, 3, 3))}}
    made = {}
    for name, net in (("small", small_net()), ("many", many_net())):
        model = p4c.compile(net.save(folder / f"{name}.onnx"))
        made[name] = model, inputs[name], model.run(inputs[name])
    return made


@pytest.mark.parametrize("kind", KINDS)
def test_models_run_side_by_side_and_leave_nothing(models, kind):
    small, x, y = models["small"]
    many, xs, ys = models["many"]
    with ForeignFirmware(kind) as firmware:
        with p4c.connect(firmware.url, chip_rev="v3") as board:
            before = board.heap()
            assert "P4-JIT" in board.name
            first, second = board.load(small), board.load(many)
            assert board.heap().free_internal < before.free_internal
            for _ in range(2):
                np.testing.assert_array_equal(first(x), y, strict=True)
                for name, array in second(xs).items():
                    np.testing.assert_array_equal(array, ys[name], strict=True)
            first.close()
            np.testing.assert_array_equal(second(xs)["ya"], ys["ya"], strict=True)
            second.close()
            assert board.heap() == before
            board.load(small)
        assert firmware.used == 0, "what was loaded is freed with the board"


def test_over_a_pseudo_terminal(models):
    small, x, y = models["small"]
    with ForeignFirmware(with_pty=True) as firmware:
        if not firmware.pty:
            pytest.skip("this system has no pseudo-terminals")
        with p4c.connect(firmware.pty, chip_rev="v3") as board:
            np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)
            with pytest.raises(DeviceError, match="is busy: another program has it open"):
                p4c.connect(firmware.pty)
        assert firmware.used == 0


def test_verification_and_layers_on_a_board(models):
    small, x, _ = models["small"]
    with ForeignFirmware() as firmware, p4c.connect(firmware.url, chip_rev="v3") as board:
        verdict = small.verify(x, device=board)
        assert (verdict.passed, verdict.rows, verdict.instructions) == (True, 5, None)
        assert verdict.cycles > 100
        layers = small.verify_layers(x, device=board)
        assert layers.passed
        assert [layer.rows for layer in layers.layers if layer.tensor] == [5] * 3
        assert small.explain(x, device=board) == []
        assert firmware.used == 0


def test_uploads_tell_how_far_they_are(models):
    seen = []
    with ForeignFirmware() as firmware, p4c.connect(firmware.url, chip_rev="v3") as board:
        board.load(models["small"][0], progress=lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1] > 1000


def test_memory_that_does_not_suffice(models):
    small = models["small"][0]
    with ForeignFirmware(internal=2048) as firmware, p4c.connect(firmware.url, chip_rev="v3") as board:
        with pytest.raises(DeviceError) as caught:
            board.load(small)
        code, weights = (small.build.image.segment(kind).size for kind in ("code", "weights"))
        free = 2048 - code
        what = f"the weights segment needs {weights:,} bytes of internal memory, the board has {free:,} free"
        assert caught.value.problems[0].what == what
        assert firmware.used == 0


def test_weights_in_psram(models, tmp_path):
    """Some or all of the weights: the image says PSRAM, and the board puts them there."""
    path = small_net().save(tmp_path / "small.onnx")
    arena = p4c.compile(path).build.image.segment("arena").size
    x = rows(2)
    for budget, kinds in ((arena, ["weights"]), (arena + 256, ["weights_psram"]), (0, ["weights", "arena"])):
        model = p4c.compile(path, ram_budget=budget)
        external = [segment for segment in model.build.image.segments if segment.region == "psram"]
        assert [segment.kind for segment in external] == kinds
        with (
            ForeignFirmware(internal=760 * 1024) as firmware,
            p4c.connect(firmware.url, chip_rev="v3") as board,
            board.load(model) as loaded,
        ):
            used = board.heap().total_psram - board.heap().free_psram
            assert used == sum(segment.size for segment in external)
            np.testing.assert_array_equal(loaded(x), model.run(x), strict=True)
        assert firmware.used == 0


def test_the_chip_revision_must_be_known_for_simd_code(models, tmp_path):
    small, x, y = models["small"]
    scalar = p4c.compile(small_net().save(tmp_path / "small.onnx"), pie=False)
    with ForeignFirmware() as firmware:
        with p4c.connect(firmware.url) as board:
            with pytest.raises(InputError, match="does not say its chip revision"):
                board.load(small)
            np.testing.assert_array_equal(board.load(scalar)(x), y, strict=True)
        with (
            p4c.connect(firmware.url, chip_rev="v1") as board,
            pytest.raises(DeviceError, match="the image is for chip revision v3, the board is v1"),
        ):
            board.load(small)
        assert firmware.used == 0


def test_another_version_of_the_protocol():
    with (
        ForeignFirmware(version=(2, 1)) as firmware,
        pytest.raises(DeviceError, match=r"speaks version 2\.1 of the protocol, expected 1\.x"),
    ):
        p4c.connect(firmware.url)


def test_one_host_at_a_time(models):
    with ForeignFirmware() as firmware, p4c.connect(firmware.url):
        with pytest.raises(DeviceError, match="busy"):
            p4c.connect(firmware.url)
        assert Command.PING in firmware.commands


@pytest.mark.parametrize(
    ("port", "text"),
    [
        ("/dev/there-is-none", "there is no port /dev/there-is-none"),
        ("socket://127.0.0.1:1", "nothing listens at socket://127.0.0.1:1"),
        ("socket://127.0.0.1:port", "is no port"),
        ("nonsense://x", "is no port"),
    ],
)
def test_ports_that_cannot_be_opened(port, text):
    with pytest.raises(p4c.P4CError, match=text) as caught:
        p4c.connect(port)
    assert caught.value.problems[0].advice


def test_a_host_that_died_in_mid_packet(models):
    """The next one ends the packet with zeros, however long it claims to be."""
    small, x, y = models["small"]
    for length in (5, 1_000_000):
        with ForeignFirmware() as firmware:
            with socket.create_connection(("127.0.0.1", int(firmware.url.rpartition(":")[2]))) as dying:
                dying.sendall(b"\xa5\x5a\x20\0" + length.to_bytes(4, "little") + b"abc")
            with p4c.connect(firmware.url, chip_rev="v3") as board:
                np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)


def test_memory_is_given_back_after_a_pulled_cable(models):
    """P4-JIT 1.0 keeps no list of its blocks; p4c does, and frees what is left when it connects again."""
    small, x, y = models["small"]
    with ForeignFirmware() as firmware, FaultyLine(firmware.url) as line:
        for _ in range(2):
            with p4c.connect(line.url, chip_rev="v3") as board:
                board.load(small)
                line.cut()
                with pytest.raises(DeviceError, match="was lost"):
                    board.heap()
            assert firmware.used > 0
        with p4c.connect(line.url, chip_rev="v3") as board:
            assert firmware.used == 0
            np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)


def test_a_model_that_was_closed(models):
    small, x, _ = models["small"]
    with ForeignFirmware() as firmware, p4c.connect(firmware.url, chip_rev="v3") as board:
        loaded = board.load(small)
        loaded.close()
        with pytest.raises(DeviceError, match="is not loaded any more"):
            loaded(x)
        board.load(small)
        with pytest.raises(DeviceError, match="has no line to reset the board by"):
            board.reset()
    assert firmware.used == 0


def test_blocks_of_others_stay(models):
    """Only a block of exactly the size that was noted is freed, never one that another program made meanwhile."""
    small = models["small"][0]
    with ForeignFirmware() as firmware, FaultyLine(firmware.url) as line:
        with p4c.connect(line.url, chip_rev="v3") as board:
            board.load(small)
            line.cut()
        blocks = firmware.heaps["internal"].blocks
        for address in list(blocks):
            blocks[address] -= 4
        used = firmware.used
        with p4c.connect(line.url):
            assert firmware.used == used


@pytest.mark.parametrize("lost", range(1, 5))
def test_a_lost_answer_to_alloc_costs_no_memory(models, lost):
    small, x, y = models["small"]
    with ForeignFirmware() as firmware:
        answer, seen = firmware.answer, []

        def losing(command, flags, payload):
            seen.append(command)
            if command != Command.ALLOC or seen.count(command) != lost:
                answer(command, flags, payload)

        firmware.answer = losing
        with p4c.connect(firmware.url, chip_rev="v3") as board:
            np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)
        assert seen.count(Command.ALLOC) == 5
        assert firmware.used == 0


@pytest.mark.parametrize(
    "command",
    [Command.GET_INFO, Command.ALLOC, Command.WRITE, Command.READ, Command.EXEC, Command.HEAP_INFO],
)
def test_answers_that_are_too_short(models, command):
    """Firmware that speaks something else gets an error that says so, and no traceback."""
    small, x, _ = models["small"]
    with ForeignFirmware() as firmware:
        answer = firmware.answer

        def short(sent, flags, payload):
            answer(sent, flags, payload[:3] if sent == command else payload)

        firmware.answer = short
        with (
            pytest.raises(DeviceError, match=f"answered {command.name} with 3 bytes, expected"),
            p4c.connect(firmware.url, chip_rev="v3") as board,
        ):
            small.run(x, device=board)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["1.0", "older"])
def test_faults_on_the_line(models, kind):
    """Some chunks are spoiled: right outputs or an error, and the board can be used afterwards."""
    small, x, y = models["small"]
    right = 0
    with ForeignFirmware(kind) as firmware, FaultyLine(firmware.url, seed=3, probability=0.05) as line:
        for _ in range(6):
            with suppress(DeviceError), p4c.connect(line.url, chip_rev="v3") as board:
                board.link.patience = 0.3
                np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)
                right += 1
        assert sum(line.injected.values()) > 10
        assert right > 3
        with p4c.connect(firmware.url, chip_rev="v3") as board:
            np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)
