"""``python -m pickaxe.console.bundle FOLDER``: write Vega, Vega-Lite and Vega-Embed as one script, plain and compressed.

The sources come out of the `vl-convert-python` wheel; nothing is downloaded and nothing of theirs is in this repository.
"""

from __future__ import annotations

import gzip
import os
import sys
from pathlib import Path


def write_bundle(folder: Path) -> None:
    """``vega.js``, ``vega.js.br`` and, last, ``vega.js.gz``: each appears whole or not at all."""
    import pyarrow as pa
    import vl_convert

    folder.mkdir(parents=True, exist_ok=True)
    script = vl_convert.javascript_bundle("window.vegaEmbed=vegaEmbed;window.vega=vega;").encode()
    _write(folder / "vega.js", script)
    _write(folder / "vega.js.br", pa.Codec("brotli", compression_level=11).compress(script, asbytes=True))
    _write(folder / "vega.js.gz", gzip.compress(script, 9, mtime=0))


def _write(path: Path, content: bytes) -> None:
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    part.write_bytes(content)
    part.replace(path)


if __name__ == "__main__":
    write_bundle(Path(sys.argv[1]))
