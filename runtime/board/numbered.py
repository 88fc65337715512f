"""The link to p4c's own firmware: packets with CRC-32 and numbers, so that any request may be repeated.

The board repeats its answer to a number that it knows instead of doing things twice; see firmware/PROTOCOL.md.
"""

from __future__ import annotations

import os
import time

from .link import ATTEMPTS, LINE_ADVICE, Link, NoAnswerError, RefusedError, command_name, long_enough
from .packets import Damage, Decoder, ErrorCode, Flag, Packet, encode
from .transport import Transport


class NumberedLink(Link):
    """A conversation in numbered packets. `silence` (seconds) makes the board drop a packet that stopped arriving."""

    def __init__(self, transport: Transport, silence: float, max_payload: int) -> None:
        super().__init__(transport)
        self.silence = silence
        self._decoder = Decoder(max_payload)
        # Somebody has synchronized before this board was known as ours.
        self._unsettled = False
        self._number = int.from_bytes(os.urandom(4), "little")

    def request(
        self,
        command: int,
        payload: bytes = b"",
        *,
        answer: int = 0,
        work: float = 0.0,
        why: str = "",
        once: bool = False,
    ) -> bytes:
        """Send a command and return its answer's payload; see Link.request. Nothing is ever lost here, so `once` is
        not looked at.

        The board is asked again after `patience`, and what works on the request already says so.
        """
        number = self.next_number()
        packet = encode(Packet(command, payload, number=number))
        wait = self.patience + self.transport.seconds_for(len(payload) + answer)
        limit = time.monotonic() + wait + work
        for attempt in range(1_000_000):
            self.repeated += attempt > 0
            self.settle()
            self._unsettled = True
            self.transport.write(packet)
            found = self._finished(command, number, wait)
            if isinstance(found, Packet):
                self._unsettled = False
                if found.flag == Flag.ANSWER:
                    return long_enough(found, answer)
                if found.error_code != ErrorCode.CHECKSUM:
                    raise RefusedError(found)
            if attempt + 1 >= ATTEMPTS and time.monotonic() >= limit:
                break
            if work:
                wait *= 1.5
        trouble = found.what if isinstance(found, Damage) else f"no answer within {wait + work:.1f} s"
        raise NoAnswerError(f"{command_name(command)} failed: {trouble}{f' ({why})' if why else ''}", LINE_ADVICE)

    def next_number(self) -> int:
        """A number that no request before had."""
        self._number = (self._number + 1) % (1 << 32)
        return self._number

    def post(self, command: int, payload: bytes) -> int:
        """Send a request without waiting for its answer, and return its number."""
        number = self.next_number()
        self._unsettled = True
        self.transport.write(encode(Packet(command, payload, number=number)))
        return number

    def collect(self, command: int, numbers: set[int], seconds: float) -> Packet | Damage | None:
        """The next answer to one of these numbers, or damage; None when none comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._receive(command, deadline - time.monotonic())
            if found is None or isinstance(found, Damage) or found.number in numbers:
                return found

    def collected(self) -> None:
        """Say that every answer that was posted for has come."""
        self._unsettled = False

    def settle(self) -> None:
        """After trouble, keep silent for as long as the board needs to give up a packet; drop what arrives."""
        if self._unsettled:
            deadline = time.monotonic() + self.silence
            while time.monotonic() < deadline:
                self.transport.read(4096, deadline)
            self._decoder.clear()
            self._unsettled = False

    def _finished(self, command: int, number: int, seconds: float) -> Packet | Damage | None:
        """The answer, where "it is running" is none yet."""
        deadline = time.monotonic() + seconds
        while True:
            found = self.collect(command, {number}, deadline - time.monotonic())
            if not isinstance(found, Packet) or not found.is_error(ErrorCode.RUNNING):
                return found
