"""A server's endpoints asked over HTTP, and the processes that its models have of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

import httpx
import psutil

from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.config import ServeConfig
from pickaxe.server.run import ServerThread

GOOD, POISON = ["area man naps", "senate votes"], ["led astray"]


class Client:
    """Asks the endpoints of a server."""

    def __init__(self, url: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=280)

    def ask(self, name: str, texts: Sequence[str] = GOOD) -> httpx.Response:
        return self._http.post(f"/v1/endpoints/{name}/predict", json={"texts": list(texts)})

    def answered(self, name: str, texts: Sequence[str] = GOOD) -> dict[str, Any]:
        """Once it answers: a slow machine may take long to start a process."""
        while (said := self.ask(name, texts)).status_code in (503, 504):
            time.sleep(0.1)
        assert said.status_code == 200, said.text
        return said.json()["data"]

    def labels(self, name: str, texts: Sequence[str] = GOOD) -> list[str]:
        return [each["label"] for each in self.answered(name, texts)["predictions"]]

    def served(self, name: str) -> str | None:
        return self._http.get(f"/v1/endpoints/{name}").json()["data"]["models"][0]["ref"]

    def health(self) -> dict[str, Any]:
        return self._http.get("/healthz").json()["data"]


@contextmanager
def serving(workspace: Workspace, **config: Any) -> Iterator[Client]:
    with ServerThread(workspace, config=ServeConfig(**config)) as server:
        yield Client(server.url)


def processes() -> set[psutil.Process]:
    return {each for each in psutil.Process().children(recursive=True) if "pickaxe.serve.apart_process" in command(each)}


def command(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:  # it is gone, or about to be
        return ""


def eventually(what: Callable[[], bool]) -> None:
    while not what():  # the test's own limit of time ends it
        time.sleep(0.05)


def busiest(found: Callable[[], set[psutil.Process]], until: Sequence[Future[Any]] = ()) -> psutil.Process:
    """The one that loops: it uses the processor all the time. Any one, when all that `until` waits for is done."""
    pause = 0.3
    while True:
        before = {each: cpu(each) for each in found()}
        time.sleep(pause)
        pause *= 2  # a busy machine has little of it to give
        used = {each: cpu(each) - begun for each, begun in before.items()}
        busy = max(used, key=lambda each: used[each], default=psutil.Process())
        if used.get(busy, 0) > 0.1 or (until and all(each.done() for each in until)):
            return busy


def cpu(process: psutil.Process) -> float:
    try:
        return process.cpu_times().user
    except psutil.Error:
        return 0.0
