"""The line between a virtual board and its host: bytes in memory on one side, a socket and a pty on the other.

One host at a time is served on the socket; a second one is turned away at once. What the chip sends goes to whoever
spoke last, and to nobody when nobody is there, as on a real line.
"""

from __future__ import annotations

import os
import select
import socket
import threading
import time

from ...backend.closing import Closing
from ...compiler.errors import InputError

# Bytes that wait for the chip before a host has to wait, and the size of one read.
CAPACITY = 64 * 1024

# Seconds after which the chip's output to a host that does not read is dropped.
SEND_SECONDS = 5.0

# How long a new host waits for the one before to be gone.
LEAVING_SECONDS = 0.3


class Wire(Closing):
    """A served line; a context manager. `url` and `pty` ("" where the system has none) are what a host opens."""

    def __init__(self, port: int = 0, *, with_pty: bool = True) -> None:
        self._listener = _listen(port)
        self.url = f"socket://127.0.0.1:{self._listener.getsockname()[1]}"
        self._master, self._slave, self.pty = _open_pty() if with_pty else (-1, -1, "")
        self._waiting = bytearray()
        self._changed = threading.Condition()
        self._host: socket.socket | None = None
        self._by_pty = False
        self._closing = False
        self._thread = threading.Thread(target=self._serve, name="p4c wire", daemon=True)
        self._thread.start()

    def pull(self, size: int, seconds: float) -> bytes:
        """Up to `size` bytes that the host sent; none when none come in so many seconds."""
        with self._changed:
            if not self._waiting:
                self._changed.wait_for(lambda: self._waiting or self._closing, seconds)
            data = bytes(self._waiting[:size])
            del self._waiting[:size]
            self._changed.notify_all()
            return data

    def send(self, data: bytes) -> None:
        """Bytes to the host; they are lost when there is none, or none that reads."""
        host = self._host
        try:
            if self._by_pty and not self._closing:
                _write_all(self._master, data)
            elif host is not None:
                host.sendall(data)
        except OSError:
            # The host has gone, or does not read.
            return

    def close(self) -> None:
        """Stop serving."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        self._thread.join()
        self._listener.close()
        self._drop()
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)

    def _serve(self) -> None:
        while not self._closing:
            sources: list[socket.socket | int] = [self._listener]
            sources += [] if self._host is None else [self._host]
            sources += [self._master] if self._master >= 0 else []
            for source in select.select(sources, [], [], 0.05)[0]:
                if source is self._listener:
                    self._accept()
                elif source is self._host:
                    self._read_host()
                elif source == self._master:
                    self._by_pty = True
                    self._push(os.read(self._master, CAPACITY))

    def _accept(self) -> None:
        connection, _ = self._listener.accept()
        # A host that has just closed may have left bytes behind.
        deadline = time.monotonic() + LEAVING_SECONDS
        while self._host is not None and time.monotonic() < deadline:
            if select.select([self._host], [], [], 0.05)[0]:
                self._read_host()
        if self._host is not None:
            connection.close()
            return
        connection.settimeout(SEND_SECONDS)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._host = connection

    def _read_host(self) -> None:
        assert self._host is not None
        try:
            data = self._host.recv(CAPACITY)
        except OSError:
            data = b""
        if not data:
            self._drop()
        else:
            self._by_pty = False
            self._push(data)

    def _push(self, data: bytes) -> None:
        with self._changed:
            self._changed.wait_for(lambda: len(self._waiting) < CAPACITY or self._closing)
            self._waiting += data
            self._changed.notify_all()

    def _drop(self) -> None:
        if self._host is not None:
            self._host.close()
            self._host = None


def _listen(port: int) -> socket.socket:
    """A socket that takes connections from this machine; InputError when the port cannot be had."""
    try:
        return socket.create_server(("127.0.0.1", port))
    except (OSError, OverflowError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"TCP port {port} cannot be served: {reason}", "leave --port out for a free one") from error


def _open_pty() -> tuple[int, int, str]:
    """(master, slave, name) of a raw pseudo-terminal; (-1, -1, "") on systems without."""
    try:
        import pty
        import tty

        master, slave = pty.openpty()
        tty.setraw(slave)
    except (ImportError, OSError):
        return -1, -1, ""
    os.set_blocking(master, False)
    # The slave stays open here: otherwise the master reports an error whenever no host is there.
    return master, slave, os.ttyname(slave)


def _write_all(descriptor: int, data: bytes) -> None:
    deadline = time.monotonic() + SEND_SECONDS
    while data and time.monotonic() < deadline:
        if select.select([], [descriptor], [], 0.1)[1]:
            data = data[os.write(descriptor, data[:4096]) :]
