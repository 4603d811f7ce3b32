"""Passwords: kept as scrypt hashes (RFC 7914), compared in constant time, slow on purpose.

Cost: N = 2^15, r = 8, p = 3 (32 MiB, about a quarter of a second), one of OWASP's recommended settings. The cost stands in
front of each hash, so that it can be raised without locking anybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import unicodedata
from base64 import b64decode, b64encode

from pickaxe.kernel.errors import BadInput

SHORTEST, LONGEST = 12, 256
_LOG_N, _R, _P = 15, 8, 3
_ROOM = threading.BoundedSemaphore(2)
"""Sign-ins computed at once: each takes 32 MiB and a core, and strangers may ask for as many as they like."""


def hashed(password: str) -> str:
    """``scrypt$15$8$3$salt$hash``. Raises `BadInput` for a password that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise BadInput(
            "this password cannot be used",
            expected=f"{SHORTEST} to {LONGEST} characters",
            got=f"{len(password)}",
            reason="password_length",
            least=SHORTEST,
            most=LONGEST,
        )
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, _LOG_N, _R, _P)
    return "$".join(("scrypt", str(_LOG_N), str(_R), str(_P), b64encode(salt).decode(), b64encode(digest).decode()))


def matches(password: str, stored: str | None) -> bool:
    """Whether `password` is the one that `stored` was made from. Without `stored` the same time passes, and the answer is no."""
    _, log_n, r, p, salt, digest = (stored or _nobody()).split("$")
    found = _scrypt(password[:LONGEST], b64decode(salt), int(log_n), int(r), int(p))
    return hmac.compare_digest(found, b64decode(digest)) and stored is not None


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    # The same letters typed on another system may come composed differently.
    text = unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
    with _ROOM:
        return hashlib.scrypt(text, salt=salt, n=1 << log_n, r=r, p=p, maxmem=256 << 20, dklen=32)


def _nobody() -> str:
    blank = b64encode(bytes(32)).decode()
    return f"scrypt${_LOG_N}${_R}${_P}${b64encode(bytes(16)).decode()}${blank}"
