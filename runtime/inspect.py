"""What `p4c inspect` shows of an ELF file, an image, or an output folder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..backend.elf import Elf, Section, Symbol, function_sizes, read_elf
from ..backend.image import CONTROL_BYTES, Image, read_image
from ..backend.pie.listing import listing
from ..backend.target import ESP32P4
from ..compiler.errors import InputError
from .simulated import place_segments


@dataclass(frozen=True)
class Inspection:
    """The parts that a file has: an ELF, an image, or both in a folder."""

    path: Path
    elf: Elf | None
    image: Image | None

    @property
    def sections(self) -> tuple[Section, ...]:
        """Sections that occupy memory or tell about what does."""
        return () if self.elf is None else self.elf.sections

    @property
    def functions(self) -> list[Symbol]:
        """Functions, the largest first."""
        return [] if self.elf is None else list(function_sizes(self.elf))


def inspect_file(path: Path) -> Inspection:
    """Read model.elf, model.img or a folder with both; InputError when it is neither."""
    if path.is_dir():
        elf, image = path / "model.elf", path / "model.img"
        if not elf.is_file() or not image.is_file():
            raise InputError(f"{path} has no model.elf and model.img", "give an output folder of p4c")
        return Inspection(path, read_elf(elf.read_bytes()), read_image(image.read_bytes()))
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}", "check the path") from error
    if data.startswith(b"P4CI"):
        return Inspection(path, None, read_image(data))
    if data.startswith(b"\x7fELF"):
        return Inspection(path, read_elf(data), None)
    raise InputError(f"{path} is neither an ELF file nor a p4c image", "give model.elf, model.img or their folder")


def chip_revision_name(image: Image) -> str:
    """The name of an image's chip revision on the command line."""
    names = {number: name for name, number in ESP32P4.chip_revisions.items()}
    return names.get(image.chip_revision, f"unknown ({image.chip_revision})")


def memory_map(image: Image) -> list[tuple[str, int, int]]:
    """(what, address, bytes) of everything an image occupies where the simulator loads it, by address."""
    bases = place_segments(image)
    code, arena = image.segment("code"), bases["arena"]
    entries = [
        ("control block", bases["code"], CONTROL_BYTES),
        ("code", bases["code"] + CONTROL_BYTES, len(code.data) - CONTROL_BYTES),
        *((s.kind, bases[s.kind], len(s.data)) for s in image.segments if s.kind.startswith("weights")),
        ("arena", arena, image.input_offset),
        ("input", arena + image.input_offset, image.input_bytes),
        ("output", arena + image.output_offset, image.output_bytes),
    ]
    return sorted(entries, key=lambda entry: entry[1])


def disassembly(inspection: Inspection, chip_rev: str) -> Iterator[str]:
    """Every instruction of the code, with PIE mnemonics; the image's own chip revision counts where there is one.

    InputError when the file has no ELF part.
    """
    if inspection.elf is None:
        raise InputError(
            f"{inspection.path} has no symbols to disassemble by", "give model.elf, or the output folder"
        )
    rev = chip_rev if inspection.image is None else chip_revision_name(inspection.image)
    code = next(function.address for function in inspection.elf.functions) - inspection.elf.base
    symbols = {function.address: function.name for function in inspection.elf.functions}
    yield from listing(inspection.elf.flat[code:], inspection.elf.base + code, rev, symbols)


def inspection_json(inspection: Inspection) -> dict[str, Any]:
    """The inspection as --json shows it."""
    result: dict[str, Any] = {"schema": "p4c.inspect/1", "file": str(inspection.path)}
    if inspection.image is not None:
        image = inspection.image
        result |= {
            "chip_revision": chip_revision_name(image),
            "model_hash": image.model_hash.hex(),
            "entry_offset": image.entry_offset,
            "stack_bytes": image.stack_bytes,
            "segments": [
                {"kind": s.kind, "region": s.region, "alignment": s.alignment, "size": s.size, "loaded": len(s.data)}
                for s in image.segments
            ],
            "memory_map": [
                {"what": what, "address": address, "size": size} for what, address, size in memory_map(image)
            ],
        }
    if inspection.elf is not None:
        result |= {
            "sections": [vars(section) for section in inspection.sections],
            "functions": [vars(function) for function in inspection.functions],
        }
    return result
