"""Sealing: what is written so that only holders of the workspace's data keys can read it.

AES-256-GCM for files and documents, AES-SIV for the few texts that must stay comparable, HMAC-SHA256 for names.

A sealed file is a header (magic, number of the data key, 32 random bytes) and chunks of 64 KiB, each with its tag of 16 bytes. Its
key is HKDF-SHA256(data key, salt = the random bytes); the nonce of a chunk is its number and whether it is the last, so that
chunks can be neither swapped, dropped nor cut off. This is the STREAM construction (Hoang, Reyhanitabar, Rogaway, Vizár:
"Online Authenticated-Encryption and its Nonce-Reuse Misuse-Resistance", CRYPTO 2015), in the layout of age
(https://age-encryption.org/v1). What the file is called is authenticated with it: a file moved to another name is refused.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING

from pickaxe.kernel.errors import Corrupted

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV

KEY_BYTES = 32
MARK = "pxs1:"
"""How a sealed document or text begins: then the data key's number, a colon, and base64."""

_MAGIC = b"PXSEAL1\n"
_SALT, _TAG, _NONCE = 32, 16, 12
_HEADER = len(_MAGIC) + 4 + _SALT
_CHUNK = 1 << 16


class Vault:
    """Seals and opens with a workspace's data keys: numbered from 1; the newest seals. Safe for threads."""

    def __init__(self, data_keys: Mapping[int, bytes]) -> None:
        self._keys = dict(data_keys)
        self._newest = max(self._keys)
        self._documents = {number: _aead(derived(key, b"documents")) for number, key in self._keys.items()}
        # Equal texts must look equal and a blob must keep its name, whatever keys came later: so these are of the first key.
        self._texts = _siv(derived(self._keys[1], b"texts", 64))
        self._names = derived(self._keys[1], b"names")

    def name(self, of: str) -> str:
        """64 hex digits to call something by. Nobody without the key can tell what it stands for, or try guesses."""
        return hmac.new(self._names, of.encode(), hashlib.sha256).hexdigest()

    # Documents and texts in the catalog

    def seal_text(self, text: str, what: str) -> str:
        """`text`, sealed for the place `what` (a column): it opens nowhere else."""
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._documents[self._newest].encrypt(nonce, text.encode(), what.encode())
        return f"{MARK}{self._newest}:{base64.b64encode(sealed).decode()}"

    def open_text(self, sealed: str, what: str) -> str:
        """What `seal_text` was given. Raises `Corrupted`."""
        from cryptography.exceptions import InvalidTag

        try:
            _, number, body = sealed.split(":", 2)
            content = base64.b64decode(body, validate=True)
            return self._documents[int(number)].decrypt(content[:_NONCE], content[_NONCE:], what.encode()).decode()
        except (InvalidTag, KeyError, ValueError):
            raise _damaged(f"a sealed document ({what})") from None

    def seal_name(self, text: str, what: str) -> str:
        """Like `seal_text`, but equal texts look equal, so that a database can find them (AES-SIV, RFC 5297)."""
        if not text:
            return ""
        return f"{MARK}1:{base64.b64encode(self._texts.encrypt(text.encode(), [what.encode()])).decode()}"

    def open_name(self, sealed: str, what: str) -> str:
        """What `seal_name` was given. Raises `Corrupted`."""
        from cryptography.exceptions import InvalidTag

        if not sealed:
            return ""
        try:
            return self._texts.decrypt(base64.b64decode(sealed.split(":", 2)[2], validate=True), [what.encode()]).decode()
        except (InvalidTag, IndexError, ValueError):
            raise _damaged(f"a sealed text ({what})") from None

    # Files

    def seal(self, chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
        """The sealed form of a stream, called `what`, in chunks."""
        header = _MAGIC + self._newest.to_bytes(4, "big") + os.urandom(_SALT)
        aead, bound = self._file_key(header), header + what.encode()
        yield header
        for number, (piece, last) in enumerate(_pieces(chunks, _CHUNK)):
            yield aead.encrypt(_nonce(number, last), piece, bound)

    def open(self, chunks: Iterable[bytes], what: str) -> Iterator[bytes]:
        """The content of a sealed stream. Raises `Corrupted` at the first byte that is not as it was sealed."""
        from cryptography.exceptions import InvalidTag

        stream = iter(chunks)
        head = bytearray()
        while len(head) < _HEADER and (chunk := next(stream, b"")):
            head += chunk
        header, rest = bytes(head[:_HEADER]), bytes(head[_HEADER:])
        aead, bound = self._file_key(header), header + what.encode()
        try:
            for number, (piece, last) in enumerate(_pieces(_chain(rest, stream), _CHUNK + _TAG)):
                yield aead.decrypt(_nonce(number, last), piece, bound)
        except InvalidTag:
            raise _damaged(what) from None

    def _file_key(self, header: bytes) -> AESGCM:
        number = int.from_bytes(header[len(_MAGIC) : len(_MAGIC) + 4], "big")
        if len(header) != _HEADER or not header.startswith(_MAGIC) or number not in self._keys:
            raise _damaged("a sealed file")
        return _aead(derived(self._keys[number], b"file", salt=header[-_SALT:]))


def sealed_size(size: int) -> int:
    """Bytes of the sealed form of `size` bytes."""
    return _HEADER + size + _TAG * max(1, -(-size // _CHUNK))


def opened_size(size: int) -> int:
    """Bytes inside a sealed form of `size` bytes."""
    body = size - _HEADER
    return body - _TAG * -(-body // (_CHUNK + _TAG))


def derived(key: bytes, purpose: bytes, length: int = KEY_BYTES, *, salt: bytes | None = None) -> bytes:
    """A key for one purpose (HKDF-SHA256, RFC 5869)."""
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(algorithm=SHA256(), length=length, salt=salt, info=b"pickaxe " + purpose).derive(key)


def _aead(key: bytes) -> AESGCM:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _siv(key: bytes) -> AESSIV:
    from cryptography.hazmat.primitives.ciphers.aead import AESSIV

    return AESSIV(key)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(_NONCE - 1, "big") + (b"\1" if last else b"\0")


def _pieces(chunks: Iterable[bytes], size: int) -> Iterator[tuple[memoryview, bool]]:
    """The stream in pieces of `size` bytes and whether each is the last; an empty stream is one empty piece."""
    waiting = b""
    for chunk in chunks:
        view = memoryview(waiting + chunk if waiting else chunk)
        start = 0
        while len(view) - start > size:
            yield view[start : start + size], False
            start += size
        waiting = bytes(view[start:])
    yield memoryview(waiting), True


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _damaged(what: str) -> Corrupted:
    return Corrupted(
        f"{what} cannot be opened",
        expected="what was sealed, unchanged, under its own name",
        got="something else, or bytes of another workspace",
        remedy="restore it from a backup; then check the disk",
    )
