"""From the record of a stopped run to the DeviceFault that people read."""

from __future__ import annotations

from collections.abc import Callable

from ...backend.pie.table import REVISIONS, decode
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
    Fault.LEFT_OUT: (
        "{mnemonic} is not implemented by the simulator",
        "the FFT instructions and the performance counter are left out; run this program on a board",
    ),
    Fault.PIE_OFF: (
        "the program used {mnemonic} while the SIMD unit was off",
        "enable it once per core on bare metal: csrsi 0x7f2, 1",
    ),
    Fault.QACC_READ_TWICE: (
        "{mnemonic} read QACC, which an instruction before had read out; the chip may have shifted it",
        "zero or load QACC between a read-out and its next use, or store it first (esp.st.qacc.*)",
    ),
    Fault.ROUNDED_DOWN: (
        "{mnemonic}: address {address:#010x} is no multiple of {size} and would be silently rounded down",
        "align the pointer, set CFG.mis_ld or CFG.mis_st, or use esp.ld.128.usar with esp.src.q",
    ),
    Fault.LOOP_OFF: (
        "the program used {mnemonic} while the hardware loops were off",
        "enable them once per core on bare metal: csrsi 0x7f1, 1",
    ),
    Fault.LOOP_COUNT: (
        "{mnemonic} set up a loop that runs no time",
        "branch around the loop where the count may be 0",
    ),
    Fault.LOOP_ALIGNMENT: (
        "the hardware loop's instruction at {address:#010x} does not lie on 4 bytes",
        "put `.option norvc` and `.balign 4` before the loop: its set-up and its last instruction need it",
    ),
    Fault.LOOP_SHORT: (
        "the hardware loop's body at {address:#010x} has fewer than 8 instructions (16 compressed ones)",
        "unroll the body or use a branch loop",
    ),
    Fault.LOOP_LAST: (
        "the hardware loop's last instruction, at {address:#010x}, belongs to the SIMD unit or the FPU",
        "end the body on an integer instruction such as a pointer increment",
    ),
    Fault.LOOP_LEFT: (
        "the program jumped to {address:#010x}, out of an active hardware loop",
        "leave a hardware loop by its count only, and call no function in its body",
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


def device_fault(stop: StopRecord, ra: int, chip_rev: str, symbolize: Callable[[int], str] | None) -> DeviceFault:
    """The error for a run that ended otherwise than by returning; `ra` is the register's value then."""
    if stop.reason == Reason.LIMIT:
        what, advice = _LIMIT
    elif stop.reason == Reason.HOST_CALL:
        what, advice = _HOST_CALL
    else:
        what, advice = _TEXTS[Fault(stop.fault)]
    digits = 10 if stop.word & 3 == 3 else 6
    found = decode(stop.word, chip_rev)
    mnemonic = found[0].mnemonic if found else ""
    if stop.fault == Fault.ILLEGAL:
        what += _other_revision(stop.word, chip_rev)
    fields = {name: getattr(stop, name) for name, *_ in StopRecord._fields_}
    place = _place(stop.pc, symbolize)
    if stop.fault == Fault.FETCH and ra != RETURN_ADDRESS:
        # pc is where the jump led; where it came from is most likely just before ra.
        place += f", ra {_place(ra, symbolize)}"
    return DeviceFault(
        f"{what.format(**fields, digits=digits, mnemonic=mnemonic)} (pc {place})",
        advice,
        pc=stop.pc,
        address=stop.address,
        symbol=symbolize(stop.pc) if symbolize else "",
    )


def _other_revision(word: int, chip_rev: str) -> str:
    """What an illegal word would have been on the chip revision with the other encoding."""
    for other in REVISIONS:
        found = decode(word, other) if other != chip_rev else None
        if found:
            return f", which is {found[0].mnemonic} on chip revision {other} and nothing on {chip_rev}"
    return ""


def _place(address: int, symbolize: Callable[[int], str] | None) -> str:
    name = symbolize(address) if symbolize else ""
    return f"{address:#010x} in {name}" if name else f"{address:#010x}"
