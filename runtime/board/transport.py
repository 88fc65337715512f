"""Bytes to and from a port, through pyserial alone: serial devices, pseudo-terminals and socket:// addresses."""

from __future__ import annotations

import errno
import time
from contextlib import suppress
from urllib.parse import urlsplit

import serial

from ...compiler.errors import DeviceError, InputError

DEFAULT_BAUD = 115_200

# Reads return at least this often, so that deadlines and Ctrl-C are heard. Seconds.
SLICE = 0.1

# A simulated chip takes no fewer from a socket.
SOCKET_BYTES_PER_SECOND = 200_000

# A port that takes no byte for so long is dead. Seconds.
WRITE_TIMEOUT = 10.0


# What pyserial lets through when a port goes away.
LOST: tuple[type[Exception], ...] = (serial.SerialException, OSError)
with suppress(ImportError):
    import termios

    LOST = (*LOST, termios.error)


class ConnectionLostError(DeviceError):
    """The port went away while it was in use."""


class Transport:
    """An open port. Exclusive: a second program gets an error."""

    def __init__(self, port: str, baud: int = DEFAULT_BAUD) -> None:
        if baud < 1:
            raise InputError(f"the baud rate is {baud}, expected a number from 1 on", "leave --baud out for 115200")
        self.port, self.baud = port, baud
        self._serial = _open(port, baud)

    @property
    def is_hardware(self) -> bool:
        """True for a port with modem lines, DTR and RTS: neither a socket nor a pseudo-terminal."""
        return "://" not in self.port and not self.port.startswith("/dev/pts/")

    def seconds_for(self, size: int) -> float:
        """How long `size` bytes take: 10 bits each at the baud rate, which means nothing on a socket."""
        return 10 * size / self.baud if self.is_hardware else size / SOCKET_BYTES_PER_SECOND

    def read(self, size: int, deadline: float) -> bytes:
        """Up to `size` bytes, fewer (or none) at the deadline (time.monotonic) or after SLICE seconds."""
        if time.monotonic() >= deadline:
            return b""
        try:
            return bytes(self._serial.read(size))
        except LOST as error:
            raise self._lost(error) from error

    def write(self, data: bytes) -> None:
        """Send all bytes; DeviceError when the port goes away or takes no more."""
        try:
            self._serial.write(data)
            self._serial.flush()
        except serial.SerialTimeoutException as error:
            what = f"{self.port} takes no more bytes: {len(data):,} were not sent within {WRITE_TIMEOUT:g} s"
            raise DeviceError(what, "reset the board, then try again") from error
        except LOST as error:
            raise self._lost(error) from error

    def reset(self) -> None:
        """Reset the chip by RTS, which boards and its own USB port wire to its reset; DTR is off: no boot mode."""
        try:
            self._serial.dtr, self._serial.rts = False, True
            time.sleep(0.1)
            self._serial.rts = False
        except LOST as error:
            raise self._lost(error) from error

    def reopen(self) -> None:
        """Close the port and open it again, as after a restart; DeviceError while it is not there."""
        self.close()
        self._serial = _open(self.port, self.baud)

    def close(self) -> None:
        """Close the port; never fails."""
        # What is unplugged is closed.
        with suppress(*LOST):
            self._serial.close()

    def _lost(self, error: Exception) -> ConnectionLostError:
        what = f"the connection to {self.port} was lost: {_reason(error)}"
        return ConnectionLostError(what, "check cable and power (or that `p4c board` still runs), then connect again")


def _open(port: str, baud: int) -> serial.SerialBase:
    try:
        if port.startswith("socket://") and not urlsplit(port).port:
            raise ValueError("it has no port number")
        return serial.serial_for_url(
            port, baud, timeout=SLICE, write_timeout=WRITE_TIMEOUT, exclusive=None if "://" in port else True
        )
    except ValueError as error:
        raise InputError(f"{port!r} is no port: {error}", "give a path, or socket://HOST:PORT") from error
    except LOST as error:
        raise _refused(port, error) from error


def _refused(port: str, error: Exception) -> DeviceError:
    """The error for a port that cannot be opened."""
    cause = getattr(error, "errno", None)
    text = str(error)
    if cause in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return DeviceError(f"{port} is busy: another program has it open", "close that program, then try again")
    if cause in (errno.EACCES, errno.EPERM):
        advice = "add yourself to the port's group (dialout or uucp) and log in again"
        return DeviceError(f"{port} cannot be opened: permission denied", advice)
    if cause == errno.ENOENT:
        return DeviceError(f"there is no port {port}", "`p4c devices` lists the ports that are there")
    if "refused" in text:
        return DeviceError(f"nothing listens at {port}", "start `p4c board`, or check host and port number")
    return DeviceError(f"{port} cannot be opened: {_reason(error)}", "`p4c devices` lists the ports that are there")


def _reason(error: Exception) -> str:
    """What went wrong, in as few words as the system has."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, serial.SerialException):
        return error.strerror
    return str(error).rpartition(": ")[2] or str(error)
