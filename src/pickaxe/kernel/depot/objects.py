"""A depot in a bucket, through `obstore` (bindings of the Rust crate `object_store`).

The client library retries what is transient (5xx, throttling, broken connections) with exponential backoff, splits big things
into parts sent side by side (S3 multipart upload: visible when complete, aborted on error) and takes credentials from the
environment as AWS's own tools do: ``AWS_ACCESS_KEY_ID``, ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, web identity,
container and instance roles. ``AWS_ENDPOINT_URL`` and ``AWS_REGION``, or ``?endpoint=…&region=…`` in the URL, say where.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from pickaxe.kernel.depot.backend import CHUNK, Kept
from pickaxe.kernel.errors import BadInput, Conflict, NotFound, PickaxeError, Unavailable

if TYPE_CHECKING:
    from obstore.store import S3Store

_PART = 8 << 20
_RETRIES = 5
_GIVE_UP_AFTER = timedelta(seconds=30)
_OPTIONS = ("endpoint", "region")


class ObjectDepot:
    """Objects below ``s3://bucket/prefix``. Opened at first use; safe for threads and processes."""

    def __init__(self, url: str, part: str) -> None:
        """`part` is the store's own folder below the URL. Raises `BadInput` for an URL that is not one."""
        self._bucket, prefix, self._options = _parse(url)
        self._prefix = "/".join(filter(None, (prefix, part)))
        self._conditional = True

    @property
    def place(self) -> str:
        return f"s3://{self._bucket}/{self._prefix}"

    def put(self, name: str, chunks: Iterable[bytes], *, new: bool = False) -> None:
        import obstore

        first, rest = _beginning(chunks)
        if rest is not None:
            with self._explained():
                obstore.put(self._store, name, _all(first, rest), use_multipart=True, chunk_size=_PART)
            return
        if new and self._conditional:
            try:
                # One request, which the store refuses if the name is taken (If-None-Match, in S3 since 2024).
                with self._explained():
                    obstore.put(self._store, name, first, use_multipart=False, mode="create")
                return
            except Conflict:
                # When the answer to it was lost, it was sent again, and found what it had put itself.
                if b"".join(self.get(name)) != first:
                    raise
                return
            except Unavailable as error:
                if "NotImplemented" not in (error.got or ""):
                    raise
                self._conditional = False  # an older store: names are unique anyway
        with self._explained():
            obstore.put(self._store, name, first, use_multipart=False)

    def get(self, name: str) -> Iterator[bytes]:
        import obstore

        with self._explained(name):
            stream = iter(obstore.get(self._store, name).stream(min_chunk_size=CHUNK))
        return self._chunks(name, stream)

    def size(self, name: str) -> int | None:
        import obstore

        try:
            with self._explained():
                return obstore.head(self._store, name)["size"]
        except FileNotFoundError:
            return None

    def names(self) -> Iterator[Kept]:
        import obstore

        now = time.time()
        with self._explained():
            for page in obstore.list(self._store):
                for entry in page:
                    yield Kept(entry["path"], entry["size"], now - entry["last_modified"].timestamp())

    def remove(self, name: str) -> None:
        import obstore

        try:
            with self._explained():
                obstore.delete(self._store, name)
        except FileNotFoundError:
            pass

    def sweep(self) -> int:
        """Nothing here: the store's own rule for unfinished uploads does it."""
        return 0

    def _chunks(self, name: str, stream: Iterator[Any]) -> Iterator[bytes]:
        with self._explained(name):
            for chunk in stream:
                yield bytes(chunk)

    @cached_property
    def _store(self) -> S3Store:
        try:
            import obstore
            from obstore.store import S3Store
        except ImportError:
            raise Unavailable(
                "object stores need the package obstore", remedy="install them: pip install 'pickaxe[s3]'"
            ) from None
        store = S3Store(
            self._bucket,
            prefix=self._prefix,
            config=self._options,  # type: ignore[arg-type] # its TypedDict has these keys
            client_options={"allow_http": True},
            retry_config={"max_retries": _RETRIES, "retry_timeout": _GIVE_UP_AFTER},
        )
        # A HEAD of what is not there answers 404 whether the object or the bucket is missing; a listing tells them apart.
        with self._explained():
            next(iter(obstore.list(store, chunk_size=1)), None)
        return store

    @contextmanager
    def _explained(self, name: str | None = None) -> Iterator[None]:
        """Turn what the store says into our errors. With `name`, what is not there is `NotFound`."""
        from obstore.exceptions import AlreadyExistsError, BaseError

        try:
            yield
        except FileNotFoundError as error:
            known = self._translated(str(error))
            if known is not None:
                raise known from None
            if name is None:
                raise
            raise NotFound(f"there is no {name}", got=f"nothing at {self.place}/{name}") from None
        except AlreadyExistsError as error:
            raise Conflict("the object is there already", got=_said(str(error)), place=self.place) from None
        except (BaseError, PermissionError) as error:
            raise self._translated(str(error)) or Unavailable(
                f"the object store {self.place} answered with an error", got=_said(str(error))
            ) from None

    def _translated(self, text: str) -> PickaxeError | None:
        for words, message, remedy in _SAYINGS:
            if any(word in text for word in words):
                return Unavailable(message(self._bucket), expected=f"access to {self.place}", got=_said(text), remedy=remedy)
        return None


_Saying = tuple[tuple[str, ...], Callable[[str], str], str]
_SAYINGS: tuple[_Saying, ...] = (
    (
        ("/latest/api/token", "/latest/meta-data", "169.254.169.254"),
        lambda bucket: "there are no credentials for the object store",
        "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or run where a role gives them",
    ),
    (("NoSuchBucket",), lambda bucket: f"there is no bucket {bucket!r}", "create it, or correct the URL of the objects"),
    (
        ("PermanentRedirect", "incorrectly configured region", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"),
        lambda bucket: f"the bucket {bucket!r} is in another region",
        "set AWS_REGION, or add ?region=… to the URL",
    ),
    (
        ("InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "ExpiredToken", "401 Unauthorized"),
        lambda bucket: "the object store does not know these credentials",
        "check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (and AWS_SESSION_TOKEN)",
    ),
    (
        ("AccessDenied", "403 Forbidden"),
        lambda bucket: f"access to the bucket {bucket!r} is denied",
        "the credentials need s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload and s3:ListBucket",
    ),
    (
        ("kind: Connect", "error sending request", "dns error", "timed out", "operation timed out"),
        lambda bucket: "the object store cannot be reached",
        "check that it runs, and AWS_ENDPOINT_URL (or ?endpoint=… in the URL)",
    ),
    (
        ("503 Service Unavailable", "500 Internal Server Error", "SlowDown", "502 Bad Gateway", "504 Gateway"),
        lambda bucket: "the object store is not able to answer just now",
        "try again in a while; it was retried already",
    ),
)


def _said(text: str) -> str:
    """The first line, without the client's debug output, cut to a readable length."""
    return text.partition("\n\nDebug source")[0].replace("\n", " ")[:400]


def _parse(url: str) -> tuple[str, str, dict[str, str]]:
    parts = urlsplit(url)
    options = dict(parse_qsl(parts.query))
    if parts.scheme != "s3" or not parts.hostname or parts.password or set(options) - set(_OPTIONS):
        raise BadInput(
            "the URL of the object store is not usable",
            expected="s3://bucket/prefix, and after a '?' perhaps endpoint=…, region=…",
            got=f"{parts.scheme}://{parts.hostname or ''}{parts.path}"[:200],
        )
    return parts.netloc, parts.path.strip("/"), options


def _beginning(chunks: Iterable[bytes]) -> tuple[bytes, Iterator[bytes] | None]:
    """All of a small thing; or the first part of a big one, and what comes after it."""
    rest = iter(chunks)
    first = bytearray()
    for chunk in rest:
        first += chunk
        if len(first) > _PART:
            return bytes(first), rest
    return bytes(first), None


def _all(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
