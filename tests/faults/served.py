"""A served workspace that is killed and started again, and work that goes on over it all the while."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx
import psutil

from tests.faults import commands
from tests.ports import free_port

SEED = os.environ.get("FAULTS_SEED", "")
"""Another one kills at other moments."""


class Server:
    """`pickaxe up` on one port, however often it is killed."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.port = free_port()
        self.url = ""
        self.start()

    def start(self) -> None:
        self.process = commands.start(self.place, "up", "--port", self.port)
        assert self.process.stdout is not None
        said = self.process.stdout.readline()
        if not (found := re.search(r"http://127\.0\.0\.1:\d+", said)):
            self.process.kill()
            raise AssertionError(said + (self.process.stderr.read() if self.process.stderr else ""))
        self.url = found.group(0)

    def kill(self) -> None:
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def stop(self) -> int:
        """Ask it to end; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)

    def kill_a_worker(self) -> bool:
        workers = commands.workers_of(self.process.pid)
        for worker in workers[:1]:
            with suppress(psutil.NoSuchProcess):  # it may just be done
                worker.kill()
        return bool(workers)


class Work:
    """Does one thing over and over in a thread: `acknowledged` are those that came back and not with False, `refused` what was raised.

    A server that is away is asked again.
    """

    def __init__(self, do: Callable[[int], object], stop: threading.Event) -> None:
        self.acknowledged: list[int] = []
        self.refused: list[str] = []
        self._do, self._stop = do, stop
        self.thread = threading.Thread(target=self._work)
        self.thread.start()

    def _work(self) -> None:
        number = 0
        while not self._stop.is_set():
            try:
                if self._do(number) is not False:
                    self.acknowledged.append(number)
            except httpx.TransportError:
                time.sleep(0.05)
            except Exception as error:  # whatever a caller would have seen
                self.refused.append(str(error))
            number += 1
