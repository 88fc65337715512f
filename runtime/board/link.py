"""One function that sends a command and gives its answer, over a line that may lose or change bytes."""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Sequence

from ...compiler.errors import DeviceError
from .packets import Command, Damage, Decoder, ErrorCode, Flag, Packet, encode
from .transport import Transport

# The payload buffer of P4-JIT firmware that does not say how large its own is: 1 MB and 1 KB.
LARGEST_PAYLOAD = 1024 * 1024 + 1024

# Seconds in which a board answers what it need not work for.
PATIENCE = 1.0

# How often a request is sent whose answers come back damaged, or not at all.
ATTEMPTS = 4

# How long a chip may take from reset to its first answer, and how often to look for its port. Seconds.
BOOT_SECONDS = 5.0
PORT_SECONDS = 0.2

# Zero bytes that end a packet somebody began: the first helps against noise, the last against any length.
FILLS = (16, 4096, 65536, LARGEST_PAYLOAD)
QUICK_FILLS = FILLS[:2]

# Zeros are sent in such pieces, with a look for an answer after each.
PIECE = 4096


LINE_ADVICE = "check the cable, a shorter one or a lower --baud may help; if the board hangs, reset it"


class RefusedError(DeviceError):
    """The board answered a request with an error; `code` is ErrorCode, or another number."""

    def __init__(self, answer: Packet) -> None:
        self.code = answer.error_code
        count = len(answer.payload) // 4
        # What the error's row in firmware/PROTOCOL.md adds.
        self.words: tuple[int, ...] = struct.unpack_from(f"<{count}I", answer.payload)[1:]
        known = self.code in set(ErrorCode)
        text = ErrorCode(self.code).name.lower().replace("_", " ") if known else "an unknown error"
        what = f"the board refused {command_name(answer.command)}: {text} ({self.code})"
        super().__init__(what, "reset the board; if that does not help, please report this with the firmware's name")


class NoAnswerError(DeviceError):
    """The board did not answer, or nothing intact came back."""


class AnswerLostError(DeviceError):
    """A request that must not be repeated may or may not have been carried out."""


class Link:
    """A conversation with a board: one request, one answer. Not for two threads at a time.

    `patience` is how many seconds an answer may take beyond its transfer and its work; `repeated` counts requests
    that were sent again.
    """

    def __init__(self, transport: Transport) -> None:
        self.transport = transport
        self.patience = PATIENCE
        self.repeated = 0
        self._decoder = Decoder(LARGEST_PAYLOAD)
        # True while an answer may be under way that nobody waits for.
        self._unsettled = True

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
        """Send a command and return its answer's payload.

        `answer` is how many bytes to expect at least, `work` how many seconds the board may work on it and `why` so
        many. What comes back damaged or not at all is asked again, but not with `once`: then AnswerLostError.
        RefusedError when the board says no, NoAnswerError when it says nothing.
        """
        limit = self.patience + work + 2 * self.transport.seconds_for(len(payload) + answer)
        trouble = ""
        for attempt in range(ATTEMPTS):
            self.repeated += attempt > 0
            if self._unsettled:
                self.synchronize()
            self._unsettled = True
            self.transport.write(encode(Packet(command, payload)))
            found = self._receive(command, limit)
            if isinstance(found, Packet):
                self._unsettled = False
                if found.flag == Flag.ANSWER:
                    return long_enough(found, answer)
                if found.error_code != ErrorCode.CHECKSUM:
                    raise RefusedError(found)
                trouble = "the board received damaged packets"
                continue
            trouble = found.what if found else f"no answer within {limit:.1f} s{f' ({why})' if why else ''}"
            if once:
                self._settle(command, trouble)
                raise AnswerLostError(f"the answer to {command_name(command)} was lost: {trouble}", LINE_ADVICE)
        raise NoAnswerError(f"{command_name(command)} failed: {trouble}", LINE_ADVICE)

    def _settle(self, command: int, trouble: str) -> None:
        """Synchronize after a request that must not be repeated; NoAnswerError when the board is busy with it."""
        try:
            self.synchronize()
        except NoAnswerError as error:
            what = f"{command_name(command)} failed: {trouble}, nor to PING after it"
            raise NoAnswerError(what, "the code on the board hangs or has crashed it: reset the board") from error

    def synchronize(self, fills: Sequence[int] = FILLS) -> None:
        """Bring both sides to a packet's beginning: zeros that end any packet, then a PING of its own.

        Everything that arrives before its echo is old and dropped. NoAnswerError when no echo comes.
        """
        self._unsettled = True
        self._decoder.clear()
        for fill in fills:
            for start in range(0, fill, PIECE):
                self.transport.write(bytes(min(PIECE, fill - start)))
            nonce = os.urandom(8)
            self.transport.write(encode(Packet(Command.PING, nonce)))
            deadline = time.monotonic() + self.patience / 2 + self.transport.seconds_for(fill)
            while time.monotonic() < deadline:
                found = self._receive(Command.PING, deadline - time.monotonic())
                if not isinstance(found, Packet):
                    continue
                if found.flag == Flag.ANSWER and found.payload == nonce:
                    self._unsettled = False
                    return
                if found.is_error(ErrorCode.RUNNING):
                    # What a host before left running, with nobody to hear of it.
                    self.transport.write(encode(Packet(Command.CANCEL)) + encode(Packet(Command.PING, nonce)))
        what = f"{self.transport.port} does not answer PING"
        raise NoAnswerError(
            what, "check that a board with p4c's or P4-JIT's firmware is there; if it hangs, reset it"
        )

    def meet_again(self) -> None:
        """Synchronize with a chip that restarts, in which a USB port vanishes for a while and comes back.

        DeviceError when there is no answer in BOOT_SECONDS.
        """
        deadline = time.monotonic() + BOOT_SECONDS
        while True:
            try:
                if self.transport.is_hardware:
                    time.sleep(PORT_SECONDS)
                    self.transport.reopen()
                self.synchronize()
                return
            except DeviceError:
                if time.monotonic() >= deadline:
                    raise

    def _receive(self, command: int, seconds: float) -> Packet | Damage | None:
        """The next answer to `command`, or the first damage; None when nothing of the kind comes in time."""
        deadline = time.monotonic() + seconds
        while True:
            found = self._decoder.take()
            if found is None:
                if time.monotonic() >= deadline:
                    return None
                self._decoder.feed(self.transport.read(self._decoder.wanted, deadline))
            elif isinstance(found, Damage) or _answers(found, command):
                return found


def long_enough(packet: Packet, least: int) -> bytes:
    """The payload of an answer; DeviceError when it has fewer bytes than the protocol says."""
    if len(packet.payload) < least:
        size = len(packet.payload)
        what = f"the board answered {command_name(packet.command)} with {size:,} bytes, expected {least:,}"
        raise DeviceError(what, "flash the firmware that belongs to this version of p4c, or P4-JIT 1.0")
    return packet.payload


def _answers(packet: Packet, command: int) -> bool:
    """True for the answer to a command. What arrived damaged may be answered under another command's number."""
    if packet.is_error(ErrorCode.CHECKSUM):
        return True
    return packet.flag != Flag.REQUEST and packet.command == command


def command_name(command: int) -> str:
    """A command's name, or its number."""
    return Command(command).name if command in set(Command) else f"command {command:#04x}"
