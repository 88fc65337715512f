"""A connected board: load models on it, look at its memory, reset it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ...backend.closing import Closing
from ...backend.image import Image
from ...backend.raw import RawCode
from ...backend.target import ESP32P4
from ...backend.toolchain import find_toolchain
from ...compiler.errors import DeviceError, InputError
from ...compiler.ir import Array
from ..device import ALL_STEPS, Progress, RunResult, Session, no_progress
from .link import FILLS, Link
from .own import OwnFirmware, identify
from .own_session import OwnSession
from .p4jit import Heap
from .program import MEMORIES, Program
from .raw import RawFunction
from .session import BoardSession
from .transport import DEFAULT_BAUD, ConnectionLostError, Transport
from .virtual import VirtualBoard

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..model import CompiledModel


class Board(Closing):
    """A board behind an open port; a context manager. What is loaded on it is freed when it is closed.

    `chip_rev` is the revision that the board reports, else the one that the user gave, else "". `fills` is how many
    zeros it may take to end a packet that somebody began; `served_by` a virtual board that ends with this.
    """

    def __init__(
        self,
        port: str,
        *,
        baud: int = DEFAULT_BAUD,
        chip_rev: str = "",
        fills: Sequence[int] = FILLS,
        served_by: VirtualBoard | None = None,
    ) -> None:
        self.port = port
        self._transport = Transport(port, baud)
        self._served_by = served_by
        self._sessions: list[BoardSession | OwnSession | RawFunction] = []
        try:
            self.link = Link(self._transport)
            self._begin(fills)
            self._identify(chip_rev)
        except BaseException:
            self._transport.close()
            raise

    @property
    def name(self) -> str:
        """The port, and what answers there."""
        return f"{self.port} ({self.firmware.info.describe()})"

    def load(self, model: CompiledModel, progress: Progress = no_progress) -> LoadedModel:
        """Put a model into the board's memory; several may be there at once.

        DeviceError when it is for another chip revision or memory does not suffice.
        """
        return LoadedModel(model, self, self.load_program(model.program, progress))

    def load_program(self, program: Program, progress: Progress = no_progress) -> Session:
        """Put a program into the board's memory; see load."""
        self._check_revision(program)
        session: BoardSession | OwnSession
        if isinstance(self.firmware, OwnFirmware):
            session = OwnSession(self.firmware, program, progress)
        else:
            session = BoardSession(self.firmware, program, progress)
        self._sessions.append(session)
        return session

    def jit(
        self,
        sources: str | Path | Sequence[str | Path],
        function: str,
        *,
        signature: str = "",
        firmware: str | Path | None = None,
        region: str = "l2mem",
        toolchain: str = "zig",
        flags: str | Sequence[str] = (),
    ) -> RawFunction:
        """Compile C, C++ or assembly files, put them into the board's memory, and return one of their functions.

        Its signature is read from the sources, or given as a declaration. With the `firmware`'s ELF file the code may
        call what that defines; `flags` go to the compiler, such as -O3 and -DN=4. InputError and ToolchainError for
        the user's mistakes, DeviceError when memory does not suffice; see RawFunction and docs/raw-functions.md.
        """
        paths = [Path(sources)] if isinstance(sources, str | Path) else [Path(path) for path in sources]
        if region not in MEMORIES:
            raise InputError(f"code cannot lie in {region!r}", f"give region= one of {', '.join(MEMORIES)}")
        words = flags.split() if isinstance(flags, str) else flags
        elf = None if firmware is None else Path(firmware)
        with RawCode(paths, function, signature, find_toolchain(toolchain), self.chip_rev, elf, words) as code:
            made = RawFunction(self.firmware, code, region, self.chip_rev)
        self._sessions.append(made)
        return made

    def heap(self) -> Heap:
        """The board's memory: free and in all, by kind."""
        return self.firmware.heap()

    def reset(self) -> None:
        """Restart the chip and connect again; what was loaded is gone. DeviceError for a port without reset line."""
        if isinstance(self.firmware, OwnFirmware):
            self.firmware.reset(2)
        elif self._transport.is_hardware:
            self._transport.reset()
        else:
            raise DeviceError(f"{self.port} has no line to reset the board by", "restart what serves it")
        self._forget()
        self.link.meet_again()
        self._identify(self.chip_rev)

    def close(self) -> None:
        """Free what is loaded and close the port. Never fails for a board that has gone away."""
        try:
            while self._sessions:
                # What is out of reach keeps its memory; the others can perhaps be freed.
                with suppress(DeviceError):
                    self._sessions.pop().close()
        finally:
            self._transport.close()
            if self._served_by is not None:
                self._served_by.close()

    def _begin(self, fills: Sequence[int]) -> None:
        """Say the first word; what is served for one host at a time hangs up on a second one."""
        try:
            self.link.synchronize(fills)
        except ConnectionLostError as error:
            what = f"{self.port} is busy: it closed the connection at once"
            raise DeviceError(what, "end the program that uses this board, then try again") from error

    def _identify(self, chip_rev: str) -> None:
        """Find out what firmware and chip there are; InputError when they are not what the user said."""
        self.firmware = identify(self.link)
        self.chip_rev, self.counts = chip_rev, "cycles of the board"
        if isinstance(self.firmware, OwnFirmware):
            self.firmware.on_restart = self._forget
            self.chip_rev = self.firmware.facts.chip_rev
            if chip_rev and chip_rev != self.chip_rev:
                what = f"the board at {self.port} has chip revision {self.chip_rev}, --chip-rev says {chip_rev}"
                raise InputError(what, "leave --chip-rev out: the board knows it")
            if self.firmware.simulated:
                self.counts = "simulated instructions"

    def _forget(self) -> None:
        """Nothing that was loaded is there any more."""
        for session in self._sessions:
            session.forget()
        self._sessions.clear()

    def _check_revision(self, program: Program) -> None:
        """DeviceError when the image is for another chip; InputError when nobody knows the chip and it matters."""
        names = {number: name for name, number in ESP32P4.chip_revisions.items()}
        found = names[program.image.chip_revision]
        if self.chip_rev and found != self.chip_rev:
            what = f"the image is for chip revision {found}, the board is {self.chip_rev}"
            raise DeviceError(what, f"compile with --chip-rev {self.chip_rev}")
        if program.pie and not self.chip_rev:
            what = f"{self.name} does not say its chip revision, and SIMD code of the wrong one crashes it"
            raise InputError(what, "give --chip-rev v3 or v1 as the board's boot log says, or compile with --no-pie")


class LoadedModel(Closing):
    """A model on a board: call it with rows. A context manager; closing it frees its memory there.

    `cycles` are those of the slowest run so far, by the board's counter; `counts` says what they are.
    """

    # As a Device it has this one session, which stays loaded.
    parallel = 1

    def __init__(self, model: CompiledModel, board: Board, session: Session) -> None:
        self.model, self.session = model, session
        self.name, self.counts = board.name, board.counts
        self.cycles = 0

    def __call__(
        self, x: Array | Mapping[str, Array], *, raw: bool = False, progress: Progress = no_progress
    ) -> Array | dict[str, Array]:
        """The outputs for x [N, ...]; see CompiledModel.run."""
        return self.model.run(x, raw=raw, device=self, progress=progress)

    def load(self, image: Image) -> KeptSession:
        """This model's session, as Device asks for one."""
        if image is not self.model.build.image:
            raise InputError(f"{self.model.name} is loaded here, not this image", "load the other model too")
        return KeptSession(self)

    def close(self) -> None:
        """Free the model's memory on the board."""
        self.session.close()


class KeptSession:
    """The session of a loaded model, which stays loaded when this is closed."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self.read, self.cancel = loaded.session.read, loaded.session.cancel

    def run(self, input_block: bytes, steps: int = ALL_STEPS) -> RunResult:
        """Run it; see device.Session."""
        result = self._loaded.session.run(input_block, steps)
        self._loaded.cycles = max(self._loaded.cycles, result.cycles)
        return result

    def close(self) -> None:
        """Keep it."""
