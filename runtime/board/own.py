"""What boards with p4c's own firmware can do beyond P4-JIT's: images, runs with cycles, faults, a cache, RESET."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from ...backend.image import FORMAT_VERSION, HEADER, REGIONS
from ...backend.target import ESP32P4
from ...compiler.errors import DeviceError, DeviceFault
from .link import ATTEMPTS, LINE_ADVICE, Link, NoAnswerError, RefusedError, long_enough
from .numbered import NumberedLink
from .p4jit import Advance, Info, P4Jit, ask_info
from .packets import U32, Command, ErrorCode, Flag, Packet, encode
from .program import MEMORIES, Program
from .transport import ConnectionLostError

EXTENSION = 1

# Seconds of silence after trouble until the board has told its own.
SILENCE = 0.5

FACTS = struct.Struct("<BBHIIIIIIII")
FAULT = struct.Struct("<IIIIIIII")
RUN = struct.Struct("<IIII")
WANT_OUTPUT = 1

# From this cause on, rules of the chip that only a virtual board holds people to.
FIRST_RULE = 24
# What mcause says, and where the value of mtval belongs.
CAUSES = {
    1: "jumped to {value:#010x}, where there is no code",
    2: "met the illegal instruction {value:#010x}",
    3: "hit ebreak, which compilers put where control never gets",
    4: "loaded from {value:#010x}, which is not aligned",
    5: "loaded from {value:#010x}, where there is no memory",
    6: "stored to {value:#010x}, which is not aligned",
    7: "stored to {value:#010x}, where there is no writable memory",
    11: "asked for a system call (ecall), and there is none here",
    24: "read QACC after it had been read out, which may have shifted it",
    25: "accessed {value:#010x} with a vector instruction, which would round that down to a multiple of its size",
    27: "set up a hardware loop that runs no time",
    28: "has a hardware loop whose set-up or last instruction, at {value:#010x}, does not lie on 4 bytes",
    29: "has a hardware loop of fewer than 8 instructions (16 compressed ones) at {value:#010x}",
    30: "ends a hardware loop on an instruction of the SIMD unit or the FPU, at {value:#010x}",
    31: "jumped out of an active hardware loop, to {value:#010x}",
}
MEMORY_NAMES = {number: MEMORIES[region] for region, number in REGIONS.items()}


@dataclass(frozen=True)
class Facts:
    """What BOARD says: chip revision, sizes in bytes, times in ms, the clock of the cycle counter in Hz."""

    revision: int
    minor: int
    image_format: int
    images: int
    block: int
    window: int
    byte_timeout: int
    stack: int
    limit: int
    clock: int
    restarts: int

    @property
    def chip_rev(self) -> str:
        """The revision's name on the command line."""
        return {number: name for name, number in ESP32P4.chip_revisions.items()}.get(
            self.revision, str(self.revision)
        )


@dataclass(frozen=True)
class LoadedImage:
    """An image in the board's memory: its handle, and the address of each segment in the image's order."""

    handle: int
    input: int
    output: int
    segments: tuple[int, ...]


class OwnFirmware(P4Jit):
    """A board with p4c's own firmware."""

    def __init__(self, link: NumberedLink, info: Info) -> None:
        super().__init__(link, info)
        self.numbered = link
        self.facts = self._ask_facts()
        self.simulated = info.name.endswith(" sim")
        if not self.simulated:
            self.clock = self.facts.clock
        # The number of the last fault that an error has told of; those from before this host are nobody's.
        self.told = self.last_fault()[0]
        # Called when the board is found to have restarted.
        self.on_restart: Callable[[], None] = _nobody
        # A little more, because a byte may be under way for a while.
        link.silence = 0.05 + 1.1 * self.facts.byte_timeout / 1000

    def reset(self, mode: int) -> None:
        """0: give back all memory, images go to the cache; 1: the cache too; 2: restart the chip as well."""
        self.numbered.request(Command.RESET, struct.pack("<I", mode))

    def has_restarted(self) -> bool:
        """True when the board has restarted since it was asked last; then everything on it is gone."""
        before, self.facts = self.facts.restarts, self._ask_facts()
        if self.facts.restarts == before:
            return False
        self.on_restart()
        return True

    def come_back(self, lost: ConnectionLostError) -> None:
        """Open a port again that went away with its board's restart, as USB ports do; raises `lost` otherwise."""
        if not self.numbered.transport.is_hardware:
            raise lost
        try:
            self.numbered.meet_again()
        except DeviceError:
            raise lost from None
        if not self.has_restarted():
            raise lost

    def untold_fault(self, code: int) -> tuple[int, ...] | None:
        """The words of FAULT where the last fault was in an image's code at this address and is not told yet.

        With 0: in code that is no image's.
        """
        words = self.last_fault()
        number, base = words[0], words[6]
        if number in (0, self.told) or base != code:
            return None
        self.told = number
        return words

    def last_fault(self) -> tuple[int, ...]:
        """The words of FAULT; the first one is 0 where there was none since power-up."""
        return FAULT.unpack_from(self.numbered.request(Command.FAULT, answer=FAULT.size))

    def load(self, program: Program, data: bytes, advance: Advance) -> LoadedImage:
        """Load an image file, but send nothing that the board still has. DeviceError says what does not fit."""
        size = header_bytes(data)
        seconds = 1 + 500 * len(data) / 36e6
        try:
            answer = self.numbered.request(Command.LOAD, data[:size], answer=8, work=seconds, why="checking a header")
            handle, offset = struct.unpack("<II", answer)
            advance(offset)
            self._send_blocks(handle, data, offset, advance)
            why = f"checking {len(data):,} bytes"
            least = 8 + 4 * len(program.image.segments)
            answer = self.numbered.request(
                Command.COMMIT, struct.pack("<I", handle), answer=least, work=seconds, why=why
            )
        except RefusedError as error:
            raise load_error(error, program) from error
        input_, output, *segments = struct.unpack(f"<{len(answer) // 4}I", answer)
        return LoadedImage(handle, input_, output, tuple(segments))

    def unload(self, handle: int, *, keep: bool) -> None:
        """Free an image; with `keep` it stays until its memory is needed, and need not be sent again."""
        try:
            self.numbered.request(Command.UNLOAD, struct.pack("<II", handle, keep))
        except RefusedError as error:
            if error.code != ErrorCode.NO_HANDLE:
                raise

    def run(
        self, handle: int, steps: int, block: bytes, output_bytes: int, seconds: float, why: str
    ) -> tuple[int, int, bytes]:
        """(status, cycles, output block) of the first `steps` layers on an input block."""
        options = WANT_OUTPUT if output_bytes else 0
        payload = RUN.pack(handle, steps, int(1000 * seconds), options) + block
        answer = self.numbered.request(Command.RUN, payload, answer=12 + output_bytes, work=seconds, why=why)
        status, cycles = struct.unpack_from("<iQ", answer)
        return status, cycles, answer[12:]

    def call(self, address: int, work: float, why: str) -> int:
        """Call `int f(void)` and return its cycles; the board ends it after `work` seconds."""
        request = struct.pack("<II", address, int(1000 * work))
        answer = self.numbered.request(Command.CALL, request, answer=12, work=work, why=why)
        return int(struct.unpack_from("<Q", answer, 4)[0])

    def cancel(self) -> None:
        """End the code that runs. Its thread is the one to read answers: this one's is not waited for."""
        number = self.numbered.next_number()
        self.numbered.transport.write(encode(Packet(Command.CANCEL, number=number)))

    def stop(self) -> None:
        """End the code that runs, whose answer nobody waits for any more."""
        # Where a PING finds something running, that is cancelled.
        with contextlib.suppress(DeviceError):
            self.numbered.synchronize()

    def _ask_facts(self) -> Facts:
        return Facts(*FACTS.unpack_from(self.numbered.request(Command.BOARD, answer=FACTS.size)))

    def _send_blocks(self, handle: int, data: bytes, wanted: int, advance: Advance) -> None:
        """Send the file from `wanted` on, `window` blocks under way; after trouble from where the board says."""
        link, failures = self.numbered, 0
        while wanted < len(data):
            link.settle()
            reached = self._send_window(handle, data, wanted)
            failures = 0 if reached > wanted else failures + 1
            if failures == ATTEMPTS:
                raise NoAnswerError(f"the upload stopped at byte {wanted:,} of {len(data):,}", LINE_ADVICE)
            advance(reached - wanted)
            wanted = reached

    def _send_window(self, handle: int, data: bytes, wanted: int) -> int:
        """Keep blocks under way from `wanted` on until the end, a gap or trouble; the offset that was reached."""
        link, block = self.numbered, self.facts.block
        ends: dict[int, int] = {}
        sent = wanted
        while wanted < len(data):
            while sent < len(data) and len(ends) < self.facts.window:
                part = data[sent : sent + block]
                sent += len(part)
                ends[link.post(Command.BLOCK, struct.pack("<II", handle, sent - len(part)) + part)] = sent
            found = link.collect(Command.BLOCK, set(ends), link.patience + link.transport.seconds_for(block))
            if not isinstance(found, Packet) or found.is_error(ErrorCode.CHECKSUM):
                return wanted
            if found.flag == Flag.ERROR:
                raise RefusedError(found)
            end = ends.pop(found.number or 0)
            reached = int(U32.unpack_from(long_enough(found, U32.size))[0])
            if reached < end:
                return max(wanted, reached)
            wanted = max(wanted, reached)
        if not ends:
            link.collected()
        return wanted


def _nobody() -> None:
    """Hears of nothing."""


def header_bytes(data: bytes) -> int:
    """The size of an image file's header with its CRC."""
    return int(HEADER.unpack_from(data)[2])


def load_error(error: RefusedError, program: Program) -> DeviceError:
    """The words for a board's refusal to load an image."""
    words = (*error.words, 0, 0, 0, 0)
    names = {number: name for name, number in ESP32P4.chip_revisions.items()}
    if error.code == ErrorCode.ALLOC_FAILED and words[0]:
        kind, needed, free, largest = words[:4]
        memory = MEMORY_NAMES.get(kind, "memory")
        what = f"the image needs {needed:,} bytes of {memory} in one piece, the board has {free:,} free"
        what += f", at most {largest:,} in one piece" if free >= needed else ""
        return DeviceError(
            what, "free other models on the board (close them, or reset it), or compile with a smaller --ram-budget"
        )
    if error.code == ErrorCode.FORMAT_VERSION:
        what = (
            f"the board's loader reads images up to version {words[1]}, this is version {words[0] or FORMAT_VERSION}"
        )
        return DeviceError(what, "flash the firmware that belongs to this version of p4c")
    if error.code == ErrorCode.CHIP_REVISION:
        found, chip = (names.get(word, str(word)) for word in words[:2])
        return DeviceError(
            f"the image is for chip revision {found}, the board is {chip}", f"compile with --chip-rev {chip}"
        )
    if error.code == ErrorCode.STACK:
        what = f"the code needs {words[0]:,} bytes of stack, the board's task has {words[1]:,}"
        return DeviceError(what, "raise the stack size in the firmware's configuration")
    if error.code in (ErrorCode.NO_HANDLE_LEFT, ErrorCode.ALLOC_FAILED):
        return DeviceError("the board has no place left for another image", "close other models, or reset the board")
    if ErrorCode.NO_IMAGE <= error.code <= ErrorCode.CONTROL_BLOCK:
        reason = ErrorCode(error.code).name.lower().replace("_", " ")
        what = f"the board says that the image of {program.name} is damaged: {reason}"
        return DeviceError(what, "compile the model again; if that does not help, please report this")
    return error


def run_error(error: RefusedError, program: Program, why: str) -> DeviceError:
    """The words for a run that the board ended."""
    if error.code == ErrorCode.FAULT and len(error.words) >= FAULT.size // 4:
        return fault_error(error.words, program)
    if error.code == ErrorCode.TIMEOUT:
        return DeviceError(f"the model did not finish in time: {why}", "please report this with the model")
    if error.code == ErrorCode.CANCELLED:
        return DeviceError("the run was cancelled", "run it again")
    return error


def lost_error(fault: tuple[int, ...] | None, program: Program) -> DeviceError:
    """The words for a model that is gone, where there was one because of a fault in its code."""
    if fault is not None:
        return fault_error(fault, program, "; the board has restarted and lost the model")
    return DeviceError("the board has restarted and lost the model", "load it again")


def fault_error(words: tuple[int, ...], program: Program, then: str = "") -> DeviceFault:
    """The words for a fault of a program's code: what, where, in which function and node."""
    _, cause, pc, value, ra, _, code, in_firmware = words[:8]
    place = "the firmware" if in_firmware else (program.symbolize(pc - code) if code and pc >= code else "")
    caller = program.symbolize(ra - code) if code and ra >= code and not place else ""
    what = CAUSES.get(cause, f"faulted with cause {cause}, value {{value:#010x}}").format(value=value)
    where = f"{pc:#010x}{f' in {place}' if place else ''}{f', called from {caller}' if caller else ''}"
    advice = "please report this with the model; `p4c verify` on the simulator may tell more"
    return DeviceFault(f"the program {what} (pc {where}){then}", advice, pc=pc, address=value, symbol=place)


def identify(link: Link) -> P4Jit:
    """Ask a board what firmware it has, and take what it has not committed from a host that is gone."""
    info = ask_info(link)
    if not info.extension:
        foreign = P4Jit(link, info)
        foreign.begin()
        return foreign
    if info.extension != EXTENSION:
        what = f"the board's firmware {info.name} speaks extension version {info.extension}, expected {EXTENSION}"
        raise DeviceError(what, "flash the firmware that belongs to this version of p4c")
    own = OwnFirmware(NumberedLink(link.transport, SILENCE, info.max_payload), info)
    own.reset(0)
    return own
