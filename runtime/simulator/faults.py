"""From the record of a stopped run to the DeviceFault that people read."""

from __future__ import annotations

from collections.abc import Callable

from ...compiler.errors import DeviceFault
from .native import RETURN_ADDRESS, Fault, Reason, StopRecord

_POINTER_ADVICE = "check the addresses given to the program: arena, weights, input, output and stack"

# What happened, with the record's fields filled in; and what to do about it.
_TEXTS = {
    Fault.FETCH: (
        "the program jumped to {address:#010x}, where there is no code",
        "check the entry address, that the image was loaded, and that the stack did not overwrite a return address",
    ),
    Fault.LOAD: ("the program read {size} bytes at {address:#010x}, where there is no memory", _POINTER_ADVICE),
    Fault.STORE: (
        "the program wrote {size} bytes at {address:#010x}, where there is no writable memory",
        _POINTER_ADVICE,
    ),
    Fault.MISALIGNED: (
        "the program made an atomic or device access of {size} bytes at {address:#010x}, which is not aligned",
        _POINTER_ADVICE,
    ),
    Fault.ILLEGAL: (
        "the program met the illegal instruction {word:#0{digits}x}",
        "check that the image was built for this chip revision and that nothing overwrote its code",
    ),
    Fault.BREAKPOINT: (
        "the program hit ebreak, which compilers put where control never gets",
        "check that the image was built from this release's kernels",
    ),
}

_LIMIT = (
    "the program did not return within {instructions} instructions",
    "raise the instruction limit if the program may need more; otherwise it loops for ever",
)
_HOST_CALL = (
    "the program asked for a host service (ecall), and there is none here",
    "run images made by p4c, which make no such calls",
)


def device_fault(stop: StopRecord, ra: int, symbolize: Callable[[int], str] | None) -> DeviceFault:
    """The error for a run that ended otherwise than by returning; `ra` is the register's value then."""
    if stop.reason == Reason.LIMIT:
        what, advice = _LIMIT
    elif stop.reason == Reason.HOST_CALL:
        what, advice = _HOST_CALL
    else:
        what, advice = _TEXTS[Fault(stop.fault)]
    digits = 10 if stop.word & 3 == 3 else 6
    fields = {name: getattr(stop, name) for name, *_ in StopRecord._fields_}
    place = _place(stop.pc, symbolize)
    if stop.fault == Fault.FETCH and ra != RETURN_ADDRESS:
        # pc is where the jump led; where it came from is most likely just before ra.
        place += f", ra {_place(ra, symbolize)}"
    return DeviceFault(
        f"{what.format(**fields, digits=digits)} (pc {place})",
        advice,
        pc=stop.pc,
        address=stop.address,
        symbol=symbolize(stop.pc) if symbolize else "",
    )


def _place(address: int, symbolize: Callable[[int], str] | None) -> str:
    name = symbolize(address) if symbolize else ""
    return f"{address:#010x} in {name}" if name else f"{address:#010x}"
