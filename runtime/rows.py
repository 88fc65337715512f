"""Running many rows on a device, on as many cores as it allows."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from ..backend.image import Image
from .device import Device, Session

T = TypeVar("T")


def map_rows(device: Device, image: Image, rows: int, work: Callable[[Session, int], T]) -> Iterator[tuple[int, T]]:
    """work(session, row) for each row, in the order they finish; each thread has a session of its own.

    A failure of one row ends the rest and is raised here; sessions are closed in every case.
    """
    sessions: list[Session] = []
    local = threading.local()

    def run(row: int) -> tuple[int, T]:
        if not hasattr(local, "session"):
            local.session = device.load(image)
            sessions.append(local.session)
        return row, work(local.session, row)

    workers = max(1, min(device.parallel, rows))
    with ThreadPoolExecutor(workers) as pool:
        try:
            remaining = iter(range(rows))
            # Few rows in flight, so that a failure or Ctrl-C does not wait for a long queue.
            pending: list[Future[tuple[int, T]]] = [
                pool.submit(run, row) for row in itertools.islice(remaining, 4 * workers)
            ]
            while pending:
                done, _ = wait(pending, return_when=FIRST_COMPLETED)
                # In the order of rows: what fails after a failure may fail because of it.
                for future in [future for future in pending if future in done]:
                    yield future.result()
                pending = [future for future in pending if future not in done]
                pending += [pool.submit(run, row) for row in itertools.islice(remaining, len(done))]
        except BaseException:
            # A row may take long, on a board even for ever; and no other one must begin.
            pool.shutdown(wait=False, cancel_futures=True)
            for session in sessions:
                session.cancel()
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
            for session in sessions:
                session.close()
