"""Static files: ours from the package, Vega's from the user's cache, both compressed once and kept by browsers for good.

The address holds a digest of everything served under it, so that a new version is a new address and an old page never gets a new
script.
"""

from __future__ import annotations

import gzip
import hashlib
import re
import subprocess
import sys
import threading
from functools import cached_property
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from starlette.responses import Response

from pickaxe.flows.demo_data import default_cache
from pickaxe.flows.report.drawing import css as chart_colours
from pickaxe.kernel.errors import NotFound, Unavailable

VEGA = "vega.js"
TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
FOREVER = "public, max-age=31536000, immutable"
_MAKING_SECONDS = 120
_IMPORT = re.compile(rb'^import .* from "\./([\w.]+)";', re.MULTILINE)


class Assets:
    """The files under ``/static/<digest>/``."""

    def __init__(self, cache: Path | None = None) -> None:
        self._cache = cache
        self._making = threading.Lock()

    @cached_property
    def own(self) -> dict[str, bytes]:
        folder = files("pickaxe.console").joinpath("static")
        found = {file.name: file.read_bytes() for file in folder.iterdir() if Path(file.name).suffix in TYPES}
        found["console.css"] += chart_colours().encode()
        return found

    @cached_property
    def digest(self) -> str:
        hasher = hashlib.sha256(version("vl-convert-python").encode())
        for name, content in sorted(self.own.items()):
            hasher.update(name.encode() + b"\0" + content)
        return hasher.hexdigest()[:12]

    @cached_property
    def _zipped(self) -> dict[str, bytes]:
        return {name: gzip.compress(content, 9, mtime=0) for name, content in self.own.items()}

    def path(self, name: str) -> str:
        return f"/static/{self.digest}/{name}"

    @cached_property
    def imports(self) -> dict[str, list[str]]:
        """Module -> those that it needs, and those that they need: what a page names, its browser fetches all at once."""
        direct = {name: [found.decode() for found in _IMPORT.findall(text)] for name, text in self.own.items()}

        def needed(name: str) -> set[str]:
            return set(direct[name]).union(*map(needed, direct[name]))

        return {name: sorted(needed(name)) for name in direct}

    def answer(self, digest: str, name: str, accepted: str) -> Response:
        """One file as the browser likes it. Raises `NotFound`, and `Unavailable` when Vega cannot be made."""
        encodings = [part.strip().partition(";")[0] for part in accepted.split(",")]
        if name == VEGA:
            content, encoding = self._vega(encodings)
        elif name in self.own:
            content, encoding = (self._zipped[name], "gzip") if "gzip" in encodings else (self.own[name], None)
        else:
            raise NotFound(f"no static file {name!r:.80}")
        headers = {"Cache-Control": FOREVER if digest == self.digest else "no-cache", "Vary": "Accept-Encoding"}
        if encoding:
            headers["Content-Encoding"] = encoding
        return Response(content, headers=headers | {"Content-Type": TYPES[Path(name).suffix]})

    def _vega(self, encodings: list[str]) -> tuple[bytes, str | None]:
        folder = self.vega()
        for encoding, suffix in (("br", ".br"), ("gzip", ".gz")):
            if encoding in encodings:
                return (folder / (VEGA + suffix)).read_bytes(), encoding
        return (folder / VEGA).read_bytes(), None

    def vega(self) -> Path:
        """The folder with the bundle; made by a process of its own, whose JavaScript engine would cost the server 150 MB."""
        folder = (self._cache or default_cache()) / "vega" / version("vl-convert-python")
        with self._making:
            if not (folder / (VEGA + ".gz")).exists():  # the last file that is made
                command = [sys.executable, "-m", "pickaxe.console.bundle", str(folder)]
                done = subprocess.run(command, capture_output=True, text=True, timeout=_MAKING_SECONDS, check=False)
                if done.returncode:
                    raise Unavailable(
                        "the charts' script could not be made",
                        got=done.stderr[-300:],
                        remedy="make the cache folder writable, or set PICKAXE_CACHE to another",
                    )
        return folder
