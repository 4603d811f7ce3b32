"""Files that are no text: told by how they begin, or by bytes that no text is full of."""

from __future__ import annotations

from pathlib import Path

from pickaxe.kernel.errors import BadInput

NOT_OURS = (
    (b"PK\x03\x04", "a zip archive (perhaps an Excel workbook)", "unpack it, or save the sheet as CSV UTF-8", "file_zip"),
    (b"\x1f\x8b", "a gzip file", "unpack it with gunzip first", "file_gzip"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook", "save the sheet as CSV UTF-8", "file_xls"),
    (b"%PDF", "a PDF", "extract its text into a CSV or JSON Lines file", "file_pdf"),
    (b"SQLite format 3", "an SQLite database", "export the table as CSV", "file_sqlite"),
)
"""How a file begins, what it then is, what to do, and the reason of the error."""
_OTHERS = (
    (b"\x89PNG\r\n", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"BM", "a BMP image"),
    (b"II*\x00", "a TIFF image"),
    (b"MM\x00*", "a TIFF image"),
    (b"RIFF", "a WebP, WAV or AVI file"),
    (b"ID3", "an MP3 file"),
    (b"OggS", "an Ogg file"),
    (b"BZh", "a bzip2 file"),
    (b"\xfd7zXZ", "an xz file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a RAR archive"),
    (b"\x7fELF", "a program"),
    (b"MZ", "a program"),
    (b"\xca\xfe\xba\xbe", "a program"),
    (b"\x80\x02", "a pickle"),
    (b"\x80\x03", "a pickle"),
    (b"\x80\x04", "a pickle"),
    (b"\x80\x05", "a pickle"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"\x89HDF", "an HDF5 file"),
    (b"ARROW1", "an Arrow file"),
    (b"Obj\x01", "an Avro file"),
    (b"ORC", "an ORC file"),
)
"""Some of these could begin a text as well: they only name what is no text anyway."""
_ALWAYS = 64
"""Control characters that a file may have in any case, unless it begins as something else does: a few bad rows are set aside, one by one."""
_WITH_NULS = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_MARKS = (b"\xff\xfe", b"\xfe\xff", b"\x00\x00\xfe\xff")
_CONTROLS = bytes({*range(32), 127} - set(b"\t\n\r\f\x0b\x1a\x1b"))
_HEAD = 1 << 16
_MOST = 0.05
"""Share of control characters in a text; of other data about a tenth, or much more."""


def refuse_what_is_no_text(path: Path, name: str) -> None:
    """Raises `BadInput` that says what the file seems to be; Parquet is left to its reader."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head.startswith(b"PAR1"):
        return
    for magic, what, remedy, reason in NOT_OURS:
        if head.startswith(magic):
            raise BadInput(f"{name} is {what}", expected=_EXPECTED, remedy=remedy, reason=reason, name=name)
    what = next((what for magic, what in _OTHERS if head.startswith(magic)), None)
    if not _is_text(head, at_most=0 if what else _ALWAYS):
        raise BadInput(
            f"{name} is no text",
            expected=_EXPECTED,
            got=f"what looks like {what}" if what else "bytes that no text is full of",
            remedy="export what is in it as CSV or JSON Lines",
            reason="file_no_text",
            name=name,
        )


_EXPECTED = "CSV, TSV, JSON Lines or Parquet"


def _is_text(head: bytes, at_most: int) -> bool:
    """UTF-16 and UTF-32 are full of NUL; what is read as such must be text then."""
    if head.count(b"\x00") * 4 > len(head) or head.startswith(_MARKS):
        return any(_few_controls(_decoded(head, encoding), at_most) for encoding in _WITH_NULS)
    return _few_controls(head, at_most)


def _decoded(head: bytes, encoding: str) -> bytes:
    """In UTF-8; what cannot be decoded as control characters."""
    width = 4 if "32" in encoding else 2
    return head[: len(head) // width * width].decode(encoding, errors="replace").replace("\ufffd", "\0").encode()


def _few_controls(data: bytes, at_most: int) -> bool:
    controls = len(data) - len(data.translate(None, _CONTROLS))
    return controls <= at_most or controls <= _MOST * len(data)
