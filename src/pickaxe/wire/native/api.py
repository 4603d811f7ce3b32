"""The HTTP side of the client: one envelope in, values or the server's own error out."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import httpx

from pickaxe.kernel.errors import PickaxeError, Unavailable, from_dict
from pickaxe.kernel.nouns import Event
from pickaxe.wire.native.arrow import MEDIA
from pickaxe.wire.native.nouns import EventInfo

if TYPE_CHECKING:
    import pyarrow as pa

PAGE = 1000
"""Items that a page holds at most."""
ASKED_AT_ONCE = 100
"""Ids in one question."""
MOST_ROWS = 1_000_000
"""Rows of an answer to SQL at most."""
_SECONDS = 300.0
_RECONNECT_SECONDS = 60.0


class Api:
    """A connection to one server. Raises the errors that the server raised, and `Unavailable` when none answers."""

    def __init__(self, url: str, key: str | None, *, origin: str | None = None) -> None:
        """`origin` is named by a client that comes with a session instead of a key."""
        self.url = url.rstrip("/")
        headers = {"authorization": f"Bearer {key}"} if key else {"origin": origin} if origin else {}
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=httpx.Timeout(_SECONDS, connect=10.0))

    def get(self, path: str, /, **params: Any) -> Any:
        return self._data(self._sent("GET", path, params=_given(params)))

    def post(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        return self._data(self._sent("POST", path, json=dict(body) if body is not None else None))

    def patch(self, path: str, body: Mapping[str, Any]) -> Any:
        return self._data(self._sent("PATCH", path, json=dict(body)))

    def delete(self, path: str) -> Any:
        return self._data(self._sent("DELETE", path))

    def form(self, path: str, fields: Mapping[str, str]) -> httpx.Response:
        """What a page answers to a posted form."""
        return self._sent("POST", path, data=dict(fields))

    def upload(self, path: str, content: IO[bytes], media: str, /, **params: Any) -> Any:
        return self._data(
            self._sent("POST", path, params=_given(params), content=_parts(content), headers={"content-type": media})
        )

    def pages(self, path: str, /, **params: Any) -> Iterator[Any]:
        """The items of every page."""
        after: str | None = None
        while True:
            page = self.get(path, **params, after=after)
            yield from page["items"]
            after = page["next"]
            if after is None:
                return

    def some(self, path: str, limit: int, /, *, after: str | None = None, **params: Any) -> tuple[list[Any], str | None]:
        """The first `limit` items from `after` on, of as many pages as that takes, and where to go on."""
        found: list[Any] = []
        while True:
            page = self.get(path, **params, after=after, limit=min(limit - len(found), PAGE))
            found += page["items"]
            after = page["next"]
            if after is None or len(found) >= limit:
                return found, after

    def table(self, method: str, path: str, *, params: Mapping[str, Any] | None = None, json: Any = None) -> pa.Table:
        """An answer that comes as an Arrow stream."""
        import pyarrow as pa

        response = self._sent(method, path, params=_given(params or {}), json=json, headers={"accept": MEDIA})
        if response.status_code >= 400:
            self._data(response)
        with pa.ipc.open_stream(response.content) as reader:
            return reader.read_all()

    def download(self, path: str, target: Path, /, **params: Any) -> None:
        with self._explained(), self._http.stream("GET", path, params=_given(params)) as response:
            if response.status_code >= 400:
                response.read()
                self._data(response)
            with target.open("wb") as sink:
                for part in response.iter_bytes():
                    sink.write(part)

    def follow(self, path: str, after: int = 0) -> Iterator[Event]:
        """A stream of events until it ends; taken up again where it was when the connection or the server went away."""
        lost: float | None = None
        while True:
            try:
                for event in self._stream(path, after):
                    if event is None:
                        return
                    after, lost = event.seq, None
                    yield event
            except httpx.TransportError as error:
                lost = lost or time.monotonic()
                if time.monotonic() - lost > _RECONNECT_SECONDS:
                    raise self._gone(error) from None
            time.sleep(0.5)

    def close(self) -> None:
        self._http.close()

    def _stream(self, path: str, after: int) -> Iterator[Event | None]:
        """Events as they come; None at the end that the server declares."""
        headers = {"accept": "text/event-stream", "last-event-id": str(after)}
        with self._http.stream("GET", path, headers=headers, timeout=httpx.Timeout(60.0, connect=10.0)) as response:
            if response.status_code >= 400:
                response.read()
                self._data(response)
            kind = ""
            for line in response.iter_lines():
                name, _, value = line.partition(": ")
                if name == "event":
                    kind = value
                elif name == "data" and kind == "end":
                    yield None
                elif name == "data":
                    yield EventInfo.model_validate_json(value).noun()

    def _sent(self, method: str, path: str, **more: Any) -> httpx.Response:
        with self._explained():
            return self._http.request(method, path, **more)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except httpx.TransportError as error:
            raise self._gone(error) from None

    def _gone(self, error: httpx.TransportError) -> Unavailable:
        return Unavailable(
            f"no Pickaxe answers at {self.url}",
            got=f"{type(error).__name__}: {error}"[:200],
            remedy="start it with `pickaxe up`, or check the address",
        )

    def _data(self, response: httpx.Response) -> Any:
        try:
            body = response.json()
        except json.JSONDecodeError:
            body = None
        if not isinstance(body, dict) or "error" not in body:
            raise PickaxeError(
                f"{self.url} did not answer as Pickaxe does",
                got=f"{response.status_code} {response.text[:200]!r}",
                remedy="check the address",
            )
        if body["error"] is not None:
            error = from_dict(body["error"])
            if response.status_code == 401:  # what the server says is for every client; this one knows its own way in
                error.remedy = f"sign in: pickaxe sign-in {self.url}, or show a key: PICKAXE_API_KEY"
            raise error
        return body["data"]


def _given(params: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if value not in (None, "", [], ())}


def _parts(content: IO[bytes]) -> Iterator[bytes]:
    while part := content.read(1 << 20):
        yield part
