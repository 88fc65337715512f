"""Plan to files: sources, one ELF linked twice to prove position independence, image, header."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from ..compiler.errors import ToolchainError
from ..compiler.plan import Plan
from .elf import Elf, read_elf
from .emit import emit_entry, emit_source, uses_pie
from .emit_header import PixelTable, emit_header
from .image import CONTROL_BYTES, CONTROL_MAGIC, Image, Segment, write_image
from .naming import prefix
from .pie.header import header_text
from .stack import UnboundedStackError, stack_bound
from .target import Target, lines
from .toolchain import Toolchain

# Two bases that differ in every field of an address that an instruction could hold.
BASES = (0x4FF4_0000, 0x4855_6680)


@dataclass(frozen=True)
class Build:
    """The products of one compile. `sources` maps file names of the output folder to their bytes."""

    sources: dict[str, bytes]
    elf_bytes: bytes
    elf: Elf
    image: Image
    image_bytes: bytes

    @property
    def code_bytes(self) -> int:
        """Code with its read-only constants and the control block."""
        return len(self.elf.flat)


def build(
    plan: Plan, model: str, target: Target, chip_revision: str, toolchain: Toolchain, pixels: PixelTable | None
) -> Build:
    """Compile and link a plan under the C name `model`; ToolchainError when code cannot be built or is not sound."""
    sources = _sources(plan, model, chip_revision, pixels)
    inputs = {**sources, "entry.c": emit_entry(plan, model).encode(), "image.ld": _csrc("image.ld")}
    try:
        elf_files = _compiled(inputs, toolchain)
    except OSError as error:
        what = f"the folder for temporary files cannot be used: {error.strerror or error}"
        raise ToolchainError(what, "free some space there, or set TMPDIR to another folder") from error
    elf, moved = (read_elf(data) for data in elf_files)
    if elf.flat != moved.flat:
        at = next(i for i, pair in enumerate(zip(elf.flat, moved.flat, strict=False)) if pair[0] != pair[1])
        where = elf.symbolize(elf.base + at) or f"offset {at:#x}"
        raise ToolchainError(f"the code depends on its address at {where}", "please report this with the model")
    try:
        stack = stack_bound(elf, "p4c_entry")
    except UnboundedStackError as error:
        raise ToolchainError(f"the stack of the code has no bound: {error}", "use the default toolchain") from error
    sources[f"{prefix(model)}.h"] = emit_header(plan, model, stack_bound=stack, pixels=pixels).encode()
    image = make_image(plan, elf, target, chip_revision, stack)
    return Build(sources, elf_files[0], elf, image, write_image(image))


def _compiled(inputs: dict[str, bytes], toolchain: Toolchain) -> list[bytes]:
    """The linked ELF at each of BASES."""
    with tempfile.TemporaryDirectory(prefix="p4c-") as name:
        folder = Path(name)
        _write(folder, inputs)
        toolchain.compile_object(folder, "entry.c", "entry.o")
        return [_link(folder, toolchain, base) for base in BASES]


def _sources(plan: Plan, model: str, chip_revision: str, pixels: PixelTable | None) -> dict[str, bytes]:
    """Every file that a person needs to build the model into firmware of their own."""
    sources = {
        f"{prefix(model)}.c": emit_source(plan, model).encode(),
        f"{prefix(model)}.h": emit_header(plan, model, stack_bound=None, pixels=pixels).encode(),
        **{f"{weights.name}.bin": weights.data for weights in plan.weights},
    }
    for name in sorted(entry.name for entry in files(f"{__package__}.csrc").iterdir()):
        if name.endswith(".h"):
            sources[f"kernels/{name}"] = _csrc(name)
    if uses_pie(plan):
        sources["kernels/p4c_pie.h"] = header_text(chip_revision).encode()
    return sources


def _csrc(name: str) -> bytes:
    return (files(f"{__package__}.csrc") / name).read_bytes()


def _write(folder: Path, contents: dict[str, bytes]) -> None:
    for name, data in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)


def _link(folder: Path, toolchain: Toolchain, base: int) -> bytes:
    toolchain.link_image(folder, ["entry.o"], "image.ld", base, "model.elf")
    return (folder / "model.elf").read_bytes()


def make_image(plan: Plan, elf: Elf, target: Target, chip_revision: str, stack: int) -> Image:
    """The image of linked code: input and output blocks stand behind the arena, each on lines of their own."""
    arena = lines(plan.arena_bytes, target)
    input_bytes, output_bytes = lines(plan.input_bytes, target), lines(plan.output_bytes, target)
    working = max(arena + input_bytes + output_bytes, target.line)
    assert elf.flat[:4] == CONTROL_MAGIC and len(elf.flat) >= CONTROL_BYTES  # noqa: PT018
    return Image(
        chip_revision=target.chip_revisions[chip_revision],
        entry_offset=elf.entry - elf.base,
        input_offset=arena,
        input_bytes=plan.input_bytes,
        output_offset=arena + input_bytes,
        output_bytes=plan.output_bytes,
        stack_bytes=stack,
        steps=len(plan.steps),
        segments=(
            Segment("code", "l2mem", target.line, lines(len(elf.flat), target), elf.flat),
            *(Segment(w.name, w.region, target.line, lines(len(w.data), target), w.data) for w in plan.weights),
            Segment("arena", plan.arena_region, target.line, working),
        ),
    )


def replace_folder(folder: Path, contents: dict[str, bytes]) -> None:
    """Write files into `folder` all or nothing: a new folder is filled beside it and takes its name.

    Raises OSError when the place cannot be written; an older output folder is then unchanged.
    """
    folder = folder.resolve()
    folder.parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name, data in contents.items():
            path = fresh / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
        fresh.chmod(0o755)
        _swap(fresh, folder)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise


def _swap(fresh: Path, folder: Path) -> None:
    """Let `fresh` take the name `folder`; what had it is removed, or keeps it when that fails."""
    old = fresh.with_name(fresh.name + ".old")
    present = folder.exists()
    if present:
        folder.rename(old)
    try:
        fresh.rename(folder)
    except OSError:
        if present:
            old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)
