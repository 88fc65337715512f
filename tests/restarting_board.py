"""A virtual board that behaves as ESP-IDF boards do: a serial port by name, and a chip that restarts at a fault.

Firmware that survives a fault answers at once and goes on, as the bare-metal one of virtual boards does. A board
whose system restarts the chip answers nothing, and its USB port is gone until it has started. This stands between a
virtual board and its host: it swallows the answer that tells of a fault, restarts the chip, takes the port away and
brings it back.
"""

from __future__ import annotations

import os
import select
import socket
import struct
import threading
import time
import tty
from pathlib import Path

from p4c.runtime.board.link import LARGEST_PAYLOAD
from p4c.runtime.board.packets import Command, Decoder, ErrorCode, Packet, encode
from p4c.runtime.board.virtual import VirtualBoard

# How long the port is away. Seconds.
AWAY = 0.4
# A number of which no host knows.
NUMBER = 0x7E57_7E57


class RestartingBoard:
    """A context manager; `port` is a path as of a serial device, and `away` how many seconds a restart takes.

    With `port_stays` the port is as that of a USB bridge chip, which never goes away. `restarts` counts.
    """

    def __init__(self, folder: Path, *, port_stays: bool = False, away: float = AWAY, chip_rev: str = "v3") -> None:
        self.port, self.port_stays, self.away = str(folder / "ttyP4C0"), port_stays, away
        self.restarts = 0
        self.virtual = VirtualBoard(chip_rev, with_pty=False)
        self.decoder = Decoder(LARGEST_PAYLOAD)
        self.running = True
        self.plug_in()
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.unplug()
        self.virtual.close()

    def plug_in(self):
        self.host, slave = os.openpty()
        tty.setraw(slave)
        os.symlink(os.ttyname(slave), self.port)
        # Whoever opens the port keeps it; what holds it meanwhile would hide that it goes away.
        self.slave = slave
        self.board = socket.create_connection(("127.0.0.1", int(self.virtual.url.rpartition(":")[2])))
        self.board.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def unplug(self):
        os.unlink(self.port)
        os.close(self.host)
        os.close(self.slave)
        self.board.close()

    def loop(self):
        while self.running:
            for source in select.select([self.host, self.board], [], [], 0.05)[0]:
                if source is self.host:
                    self.board.sendall(os.read(self.host, 65536))
                elif self.tells_fault(data := self.board.recv(65536)):
                    self.restart()
                    break
                else:
                    self.pass_on(data)

    def pass_on(self, data):
        while data:
            data = data[os.write(self.host, data) :]

    def tells_fault(self, data):
        """Whether these bytes of the board end an answer with error FAULT."""
        self.decoder.feed(data)
        packets = iter(self.decoder.take, None)
        return any(isinstance(packet, Packet) and packet.is_error(ErrorCode.FAULT) for packet in packets)

    def restart(self):
        self.restarts += 1
        self.board.sendall(encode(Packet(Command.RESET, struct.pack("<I", 2), number=NUMBER)))
        if self.port_stays:
            # What the host sends meanwhile is lost.
            deadline = time.monotonic() + self.away
            while time.monotonic() < deadline:
                for source in select.select([self.host, self.board], [], [], 0.05)[0]:
                    os.read(self.host, 65536) if source is self.host else self.board.recv(65536)
        else:
            self.unplug()
            deadline = time.monotonic() + self.away
            while self.running and time.monotonic() < deadline:
                time.sleep(0.05)
            self.plug_in()
        self.decoder = Decoder(LARGEST_PAYLOAD)
