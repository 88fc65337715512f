"""p4c's own firmware on the board under test: models, cache, reset, and everything that can go wrong."""

from __future__ import annotations

import dataclasses
import signal
import struct
import threading
import time

import numpy as np
import pytest

import p4c
from p4c.compiler.errors import DeviceError, DeviceFault, InputError
from p4c.runtime.board import session
from p4c.runtime.board.packets import Command, Packet, encode
from p4c.runtime.board.transport import Transport

from .models import many_net, rows, small_net

ILLEGAL, FOREVER = bytes(4), bytes.fromhex("6f000000")


@pytest.fixture(scope="module")
def models(device, tmp_path_factory):
    """small and many, with their inputs and what the simulated chip gives for them."""
    folder = tmp_path_factory.mktemp("models")
    inputs = {"small": rows(5), "many": {"a": rows(3, (6,)), "b": rows(3, (2, 3, 3))}}
    made = {}
    for name, net in (("small", small_net()), ("many", many_net())):
        model = p4c.compile(net.save(folder / f"{name}.onnx"), chip_rev=device.chip_rev)
        made[name] = model, inputs[name], model.run(inputs[name])
    return made


def faulting(model, code):
    """The model with other code at the beginning of its first fully connected layer."""
    elf, image = model.build.elf, model.build.image
    at = next(
        symbol.address - elf.base
        for symbol in elf.functions
        if "(node Gemm_0)" in model.symbolize(symbol.address - elf.base)
    )
    first, *rest = image.segments
    data = first.data[:at] + code + first.data[at + len(code) :]
    image = dataclasses.replace(image, segments=(dataclasses.replace(first, data=data), *rest))
    return dataclasses.replace(model, build=dataclasses.replace(model.build, image=image))


def cut_after(transport, size):
    """Close the port under a host that has written so many bytes more."""
    write = transport.write

    def write_and_cut(data):
        nonlocal size
        size -= len(data)
        if size <= 0:
            write(data[: len(data) // 2])
            transport.close()
        write(data)

    transport.write = write_and_cut


@pytest.fixture
def long_limit(monkeypatch):
    """20 seconds for an inference, so that what ends sooner was ended by something else."""
    monkeypatch.setattr(session, "CYCLES_PER_BYTE", 100_000)


def test_models_run_side_by_side(board, models):
    small, x, y = models["small"]
    many, xs, ys = models["many"]
    first, second = board.load(small), board.load(many)
    for _ in range(2):
        np.testing.assert_array_equal(first(x), y, strict=True)
        for name, array in second(xs).items():
            np.testing.assert_array_equal(array, ys[name], strict=True)
    first.close()
    np.testing.assert_array_equal(second(xs)["ya"], ys["ya"], strict=True)


def test_the_board_says_its_chip(board, device):
    other = {"v1": "v3", "v3": "v1"}[board.chip_rev]
    assert "protocol 1.0+1" in board.name
    board.close()
    with pytest.raises(InputError, match=f"has chip revision {device.chip_rev}, --chip-rev says {other}"):
        device.connect(chip_rev=other)


def test_weights_travel_once(board, models):
    """A model that was unloaded, by this host or one before, is taken up again without being sent."""
    small, x, y = models["small"]
    sent = []
    for _ in range(2):
        bytes_at = []
        with board.load(small, progress=lambda done, total, seen=bytes_at: seen.append((done, total))) as loaded:
            np.testing.assert_array_equal(loaded(x), y, strict=True)
        assert bytes_at[-1][0] == bytes_at[-1][1]
        sent.append(len(bytes_at))
    assert sent[1] == 1


def test_verification_and_layers(board, models):
    small, x, _ = models["small"]
    assert small.verify(x, device=board).passed
    layers = small.verify_layers(x, device=board)
    assert layers.passed
    assert [layer.rows for layer in layers.layers if layer.tensor] == [5] * 3


def test_reset_gives_everything_back(board, models):
    small, x, y = models["small"]
    before = board.heap()
    board.load(small)
    board.reset()
    assert board.heap() == before
    assert board.firmware.facts.restarts > 0
    np.testing.assert_array_equal(board.load(small)(x), y, strict=True)


def test_what_a_reset_took_away_frees_nothing_of_others(board, models):
    """Handles begin anew after a restart: closing a model from before must not unload one from after it."""
    small, x, y = models["small"]
    with board.load(small) as old:
        board.reset()
        fresh = board.load(small)
        with pytest.raises(DeviceError, match="is not loaded any more"):
            old(x)
    np.testing.assert_array_equal(fresh(x), y, strict=True)
    fresh.close()
    with pytest.raises(DeviceError, match="is not loaded any more"):
        fresh(x)


def test_the_other_chip_revision(board, tmp_path):
    other = {"v1": "v3", "v3": "v1"}[board.chip_rev]
    model = p4c.compile(small_net().save(tmp_path / "small.onnx"), chip_rev=other)
    with pytest.raises(DeviceError, match=f"the image is for chip revision {other}, the board is {board.chip_rev}"):
        board.load(model)
    with p4c.connect("sim-board", chip_rev=other) as others:
        np.testing.assert_array_equal(others.load(model)(rows(3)), model.run(rows(3)), strict=True)


def test_memory_that_does_not_suffice(board, models):
    """Which memory, how much is needed, how much is free."""
    small = models["small"][0]
    image = small.build.image
    *rest, arena = image.segments
    image = dataclasses.replace(image, segments=(*rest, dataclasses.replace(arena, size=600 * 1024)))
    large = dataclasses.replace(small, build=dataclasses.replace(small.build, image=image))
    before = board.heap()
    with pytest.raises(
        DeviceError, match=r"needs 614,400 bytes of internal memory in one piece, the board has [\d,]+"
    ):
        board.load(large)
    assert board.heap() == before


def test_a_damaged_image(board, models):
    """What arrives otherwise than the header says is refused before anything runs."""
    small = models["small"][0]
    data = bytearray(small.build.image_bytes)
    data[-20] ^= 1
    with pytest.raises(DeviceError, match="the image of small is damaged: segment checksum"):
        board.firmware.load(small.program, bytes(data), lambda size: None)


def test_faults_are_told_with_place_and_node(board, models):
    small, x, y = models["small"]
    with pytest.raises(DeviceFault, match=r"illegal instruction 0x0+ \(pc 0x\w+ in \w+ \(node Gemm_0\)\)") as caught:
        faulting(small, ILLEGAL).run(x, device=board)
    assert "Gemm_0" in caught.value.symbol
    np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)


def test_what_a_restart_takes_away_is_told(board, models):
    """And a fault from before it, in the same place, is not taken for its reason."""
    small = models["small"][0]
    block = bytes(small.plan.input_bytes)
    with pytest.raises(DeviceFault):
        faulting(small, ILLEGAL).run(models["small"][1], device=board)
    lost, also_lost = board.load(small), board.load(small)
    board.firmware.reset(2)
    with pytest.raises(DeviceError, match=r"^the board has restarted and lost the model\n"):
        lost.session.run(block)
    with pytest.raises(DeviceError, match="is not loaded any more"):
        also_lost.session.run(block)


def test_code_that_hangs_is_ended(board, models):
    small, x, y = models["small"]
    with pytest.raises(DeviceError, match="did not finish in time: 3,888 MACs"):
        faulting(small, FOREVER).run(x, device=board)
    np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)


def test_a_hung_run_is_cancelled(board, models, long_limit):
    small, x, y = models["small"]
    with board.load(faulting(small, FOREVER)) as hung:
        timer = threading.Timer(0.3, hung.session.cancel)
        timer.start()
        started = time.monotonic()
        with pytest.raises(DeviceError, match="the run was cancelled"):
            hung.session.run(bytes(small.plan.input_bytes))
        assert time.monotonic() - started < 10
    np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)


def test_a_host_that_died_while_its_code_hangs(device, board, models):
    """The next one ends that code."""
    small, x, y = models["small"]
    hung = board.load(faulting(small, FOREVER)).session
    payload = struct.pack("<IIII", hung._loaded.handle, 0xFFFFFFFF, 50_000, 0)
    board.link.transport.write(encode(Packet(Command.RUN, payload, number=1)))
    board.link.transport.close()
    started = time.monotonic()
    with device.connect() as again:
        np.testing.assert_array_equal(small.run(x, device=again), y, strict=True)
    assert time.monotonic() - started < 5


def test_an_interrupt_ends_a_run_that_hangs(board, models, long_limit):
    """Ctrl-C in the main thread: the board is told, and the connection can be used again."""
    small, x, y = models["small"]
    timer = threading.Timer(0.5, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT])
    timer.start()
    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), board.load(faulting(small, FOREVER)) as hung:
        hung(x)
    assert time.monotonic() - started < 10
    np.testing.assert_array_equal(small.run(x, device=board), y, strict=True)


def test_weights_in_psram(board, tmp_path):
    """More than internal memory can hold."""
    if not board.heap().total_psram:
        pytest.skip("the board has no PSRAM")
    model = p4c.compile(small_net(shape=(1, 1, 256, 256)).save(tmp_path / "large.onnx"), chip_rev=board.chip_rev)
    x = rows(1, (1, 256, 256))
    with board.load(model) as loaded:
        heap = board.heap()
        assert heap.total_psram - heap.free_psram > 400_000
        np.testing.assert_array_equal(loaded(x), model.run(x), strict=True)


@pytest.mark.parametrize("sent", [0, 300, 1500])
def test_a_cable_pulled_in_mid_upload(device, board, models, sent):
    small, x, y = models["small"]
    board.firmware.reset(1)
    cut_after(board.link.transport, sent)
    with pytest.raises(DeviceError, match="was lost"):
        board.load(small)
    board.close()
    with device.connect() as again:
        np.testing.assert_array_equal(small.run(x, device=again), y, strict=True)


def test_a_host_that_died_in_mid_packet(device, board, models):
    small, x, y = models["small"]
    board.close()
    for head in (b"\xa5\x5a\x20\0\xff\xff\0\0abc", b"\xa5\x5a\x61\x10\0\0\x08\0abcdef"):
        dying = Transport(device.port, device.baud)
        dying.write(head)
        dying.close()
        with device.connect() as again:
            np.testing.assert_array_equal(small.run(x, device=again), y, strict=True)
