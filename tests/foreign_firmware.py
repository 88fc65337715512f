"""An emulation of P4-JIT firmware, written from the protocol's text alone: version 1.0, and the older one.

Memory and EXEC are our simulator's. Deviations that the real one has are kept: it waits for ever for the rest of a
packet, drops a packet that is too long after its header, and does not see a magic behind a stray A5.
"""

from __future__ import annotations

import struct
import threading

from p4c.compiler.errors import DeviceFault
from p4c.runtime.board.wire import Wire
from p4c.runtime.simulator.simulator import Simulator

MAX_PAYLOAD = 1024 * 1024 + 1024
SPIRAM, TCM = 1 << 10, 1 << 16


class Heap:
    """First fit in one memory."""

    def __init__(self, start, size):
        self.start, self.size = start, size
        self.blocks = {}

    def alloc(self, size, alignment):
        at = self.start
        for address in sorted(self.blocks):
            base = -(-at // alignment) * alignment
            if base + size <= address:
                break
            at = address + self.blocks[address]
        base = -(-at // alignment) * alignment
        if size == 0 or base + size > self.start + self.size:
            return 0
        self.blocks[base] = size
        return base

    @property
    def free(self):
        return self.size - sum(self.blocks.values())

    def holds(self, address, size):
        return any(base <= address and address + size <= base + length for base, length in self.blocks.items())


class ForeignFirmware:
    """A running emulation; a context manager. `kind` is "1.0", "older", or "mixed": GET_INFO, but short heads."""

    def __init__(self, kind="1.0", chip_rev="v3", internal=400 * 1024, psram=8 << 20, version=(1, 0), with_pty=False):
        self.kind, self.version = kind, version
        self.sizes = internal, psram
        self.simulator = Simulator(chip_rev, strict=True)
        self.commands = []
        self.boot()
        self.wire = Wire(with_pty=with_pty)
        self.url, self.pty = self.wire.url, self.wire.pty
        self.running = True
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def boot(self):
        self.heaps = {"internal": Heap(0x4FF4_0000, self.sizes[0]), "psram": Heap(0x4800_0000, self.sizes[1])}

    @property
    def used(self):
        """Bytes allocated."""
        return sum(size for heap in self.heaps.values() for size in heap.blocks.values())

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running = False
        self.wire.close()
        self.thread.join()
        self.simulator.close()

    def take(self, size):
        data = b""
        while len(data) < size and self.running:
            data += self.wire.pull(size - len(data), 0.05)
        return data

    def loop(self):
        while self.running:
            if self.take(1) != b"\xa5" or self.take(1) != b"\x5a":
                continue
            head = self.take(6)
            if len(head) < 6:
                return
            command, _, length = struct.unpack("<BBI", head)
            if length > MAX_PAYLOAD:
                continue
            payload = self.take(length)
            checksum = self.take(2)
            if (sum(b"\xa5\x5a" + head + payload) & 0xFFFF).to_bytes(2, "little") != checksum:
                self.answer(command, 2, struct.pack("<I", 1))
                continue
            self.commands.append(command)
            try:
                code, result = self.dispatch(command, payload)
            except DeviceFault:
                # The chip panics and restarts.
                self.boot()
                continue
            self.answer(command, 2 if code else 1, struct.pack("<I", code) if code else result)

    def answer(self, command, flags, payload):
        body = struct.pack("<2sBBI", b"\xa5\x5a", command, flags, len(payload)) + payload
        self.wire.send(body + (sum(body) & 0xFFFF).to_bytes(2, "little"))

    def known(self, address, size):
        return self.kind == "older" or any(heap.holds(address, size) for heap in self.heaps.values())

    def dispatch(self, command, payload):
        """(error code, answer)."""
        head = 8 if self.kind == "1.0" else 4
        if command == 0x01:
            return 0, payload
        if command == 0x02 and self.kind != "older":
            return 0, struct.pack("<BBHIII16s", *self.version, 0, MAX_PAYLOAD, 128, 64, b"1.0.0")
        if command == 0x10:
            size, caps, alignment = struct.unpack("<III", payload)
            address = self.heaps["psram" if caps & SPIRAM else "internal"].alloc(size, alignment)
            return 0, struct.pack("<II", address, 0 if address else 3)
        if command == 0x11:
            return self.release(*struct.unpack("<I", payload)), bytes(4)
        if command == 0x20:
            (address,), data = struct.unpack_from("<I", payload), payload[head:]
            if not self.known(address, len(data)):
                return 4, b""
            self.simulator.write(address, data)
            return 0, struct.pack("<II", len(data), 0)
        if command == 0x21:
            address, size = struct.unpack_from("<II", payload)
            return (0, self.simulator.read(address, size)) if self.known(address, size) else (4, b"")
        if command == 0x30:
            (address,) = struct.unpack("<I", payload)
            if not self.known(address, 1):
                return 4, b""
            self.simulator.set_csr(0x7F2, 0)
            # Hardware loops are switched on by ESP-IDF at the first one that it meets.
            self.simulator.set_csr(0x7F1, 1)
            return 0, struct.pack("<I", self.simulator.call(address, max_instructions=10**9).a0)
        if command == 0x40:
            internal, psram = self.heaps["internal"], self.heaps["psram"]
            return 0, struct.pack("<IIII", psram.free, psram.size, internal.free, internal.size)
        return 2, b""

    def release(self, address):
        for heap in self.heaps.values():
            if heap.blocks.pop(address, None):
                return 0
        assert self.kind != "older", "freeing an address twice breaks the older firmware's heap"
        return 4
