"""A line that spoils bytes, between a host and what serves a socket."""

from __future__ import annotations

import random
import select
import socket
import threading
import time

FAULTS = ("drop", "flip", "duplicate", "delay", "insert")


class FaultyLine:
    """A proxy in front of a socket:// address; a context manager.

    Each chunk that passes, in either direction, meets a fault with `probability`, of one of `kinds`, at a random
    byte. `injected` counts them by kind. `cut()` ends the connection as a pulled cable does; `cut_after` does
    it when so many bytes of the host have passed.
    """

    def __init__(self, url, seed=0, probability=0.0, kinds=FAULTS, delay=0.02):
        host, _, port = url.removeprefix("socket://").partition(":")
        self.target = host, int(port)
        self.random = random.Random(seed)
        self.probability, self.kinds, self.delay = probability, kinds, delay
        self.injected = dict.fromkeys(FAULTS, 0)
        self.cut_after = None
        self.running = True
        self.pair = ()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"
        self.thread = threading.Thread(target=self.loop, daemon=True)
        self.thread.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.running = False
        self.thread.join()
        self.listener.close()

    def cut(self):
        for end in self.pair:
            end.close()
        self.pair = ()

    def loop(self):
        while self.running:
            if not select.select([self.listener], [], [], 0.05)[0]:
                continue
            near, _ = self.listener.accept()
            far = socket.create_connection(self.target)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.pair = near, far
            self.carry(near, far)
            self.cut()

    def carry(self, near, far):
        """Pass bytes on until one end closes."""
        passed = 0
        while self.running and self.pair:
            try:
                for source in select.select([near, far], [], [], 0.05)[0]:
                    data = source.recv(4096)
                    if not data:
                        return
                    if source is near:
                        passed += len(data)
                        if self.cut_after is not None and passed >= self.cut_after:
                            self.cut_after = None
                            far.sendall(data[: len(data) // 2])
                            return
                    (far if source is near else near).sendall(self.spoiled(data))
            except (OSError, ValueError):
                return

    def spoiled(self, data):
        if self.random.random() >= self.probability:
            return data
        kind = self.random.choice(self.kinds)
        self.injected[kind] += 1
        at = self.random.randrange(len(data))
        if kind == "drop":
            return data[:at] + data[at + self.random.randint(1, 8) :]
        if kind == "flip":
            return data[:at] + bytes([data[at] ^ 1 << self.random.randrange(8)]) + data[at + 1 :]
        if kind == "duplicate":
            return data[:at] + data[at : at + self.random.randint(1, 8)] + data[at:]
        if kind == "insert":
            return data[:at] + self.random.randbytes(self.random.randint(1, 8)) + data[at:]
        time.sleep(self.delay)
        return data
