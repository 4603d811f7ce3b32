"""The local lake: what is its own, beyond the suite that every table store passes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pickaxe.kernel.errors import BadInput, Conflict, NewerWorkspace, Unavailable
from pickaxe.kernel.tables.arrow import ORDINAL, column_identifiers, table_identifier
from pickaxe.kernel.tables.lake import LakeTables, Pin
from tests.kernel.processes import line, python


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LakeTables]:
    tables = LakeTables(tmp_path_factory.mktemp("lake"))
    yield tables
    tables.close()


def numbers(*values: int) -> pa.Table:
    return pa.table({"n": pa.array(values, pa.int64())})


def data_files(tables: LakeTables) -> list[Path]:
    return sorted((tables.folder / "tables").rglob("*.parquet"))


def test_opening_is_free_until_a_table_is_touched(tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from pickaxe.kernel.tables.lake import LakeTables
from pickaxe.kernel.blobs.local import LocalBlobs
tables = LakeTables(Path(sys.argv[1]))
tables.close()
print(*sorted({"duckdb", "pyarrow", "numpy"} & set(sys.modules)), "none")
"""
    process = python(code, tmp_path / "lake")
    assert line(process) == "none"
    assert process.wait() == 0
    assert not (tmp_path / "lake").exists()


def test_nothing_is_fetched_and_the_home_folder_is_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import sys
from pathlib import Path
import pyarrow as pa
from pickaxe.kernel.tables.lake import LakeTables
tables = LakeTables(Path(sys.argv[1]))
print(tables.read(tables.write("t", pa.table({"n": [1]}))).num_rows)
"""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for proxy in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(proxy, "http://127.0.0.1:9")
    (tmp_path / "home").mkdir()
    process = python(code, tmp_path / "lake", cwd=tmp_path)
    assert line(process) == "1"
    assert process.wait() == 0
    assert list((tmp_path / "home").iterdir()) == []
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["home", "lake"]


def test_a_missing_extension_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pickaxe.kernel.tables import extensions

    monkeypatch.setattr(extensions, "find_spec", lambda name: None)
    with pytest.raises(Unavailable, match="duckdb-extension-sqlite-scanner"):
        LakeTables(tmp_path / "lake").write("t", numbers(1))


def test_an_extension_that_changed_since_its_signature_was_checked_is_not_loaded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pickaxe.kernel.tables import extensions

    installed = extensions.extension_file("sqlite_scanner")
    copy = tmp_path / "sqlite_scanner.duckdb_extension"
    shutil.copy(installed, copy)
    monkeypatch.setattr(extensions, "extension_file", lambda name: copy)
    extensions.connect_with(["sqlite_scanner"], {}).close()
    with copy.open("r+b") as spoilt:
        spoilt.seek(1 << 20)
        spoilt.write(b"\0other\0")
    with pytest.raises(duckdb.IOException, match="signature"):
        extensions.connect_with(["sqlite_scanner"], {})


def test_an_extension_that_the_process_above_has_checked_is_not_checked_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pickaxe.kernel.tables import extensions

    copy = tmp_path / "sqlite_scanner.duckdb_extension"
    shutil.copy(extensions.extension_file("sqlite_scanner"), copy)
    with copy.open("r+b") as unsigned:
        unsigned.seek(-256, os.SEEK_END)  # where the signature is
        unsigned.write(bytes(256))
    monkeypatch.setattr(extensions, "extension_file", lambda name: copy)
    monkeypatch.setattr(extensions, "_CHECKED", set())
    with pytest.raises(duckdb.IOException, match="signature"):
        extensions.connect_with(["sqlite_scanner"], {})
    stat = copy.stat()
    stamp = [str(copy), stat.st_size, stat.st_mtime_ns, stat.st_ino]
    extensions.take_as_checked([[*stamp[:2], stat.st_mtime_ns - 1, stamp[3]]])
    with pytest.raises(duckdb.IOException, match="signature"):
        extensions.connect_with(["sqlite_scanner"], {})
    extensions.take_as_checked([stamp])
    extensions.connect_with(["sqlite_scanner"], {}).close()


def test_other_programs_can_read_the_files(lake: LakeTables) -> None:
    before = set(data_files(lake))
    lake.write("plain", pa.table({"text": ["a", "b"], "row_id": [1, 2], "Text": ["c", "d"]}))
    [file] = set(data_files(lake)) - before
    stored = pq.read_table(file)
    assert stored.column_names == ["text", "_c1", "_c2", ORDINAL]
    assert stored["text"].to_pylist() == ["a", "b"]
    assert pq.read_metadata(file).row_group(0).column(0).compression == "ZSTD"


def test_identifiers_are_safe_and_one_to_one() -> None:
    assert table_identifier("headlines/rows") == "headlines/rows"
    assert table_identifier("A/b") == "^a/b" != table_identifier("a/b")
    assert column_identifiers(["a", "A", "rowid", "", "x y", ORDINAL, "b"]) == ["a", "_c1", "_c2", "_c3", "_c4", "_c5", "b"]


def test_no_row_hides_in_the_metadata(lake: LakeTables) -> None:
    """DuckLake would keep small writes as rows of SQLite, where nothing checks them: each write is a file with a digest."""
    before = len(data_files(lake))
    pin = lake.write("tiny", numbers(1))
    lake.write("tiny", numbers(2), mode="append")
    assert len(data_files(lake)) == before + 2
    assert pin.bytes > 0


def test_sweep_takes_what_no_snapshot_knows(lake: LakeTables) -> None:
    pin = lake.write("swept", numbers(1))
    kept = data_files(lake)
    orphan = kept[0].with_name("ducklake-orphan.parquet")
    orphan.write_bytes(b"half a file")
    assert lake.sweep() == 1
    assert data_files(lake) == kept
    assert lake.read(pin) == numbers(1)
    assert LakeTables(lake.folder / "nothing here").sweep() == 0


def test_an_interrupt_just_after_the_commit_loses_nothing(lake: LakeTables, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file may be removed only if the lake does not know it."""
    from pickaxe.kernel.tables import write as tables_write

    def interrupted(*_: object) -> Pin:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(tables_write, "_pins", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lake.write("interrupted", numbers(7))
    [pin] = lake.snapshots("interrupted")
    assert lake.read(pin) == numbers(7)


def test_a_failure_before_the_commit_leaves_no_file(lake: LakeTables, monkeypatch: pytest.MonkeyPatch) -> None:
    from pickaxe.kernel.tables import write as tables_write

    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    before = data_files(lake)
    with monkeypatch.context() as patch:
        patch.setattr(tables_write, "_describe", broken)
        with pytest.raises(OSError, match="the disk is gone"):
            lake.write_many({"x/a": numbers(1), "x/b": numbers(2)})
    assert data_files(lake) == before
    assert lake.snapshots("x/a") == lake.snapshots("x/b") == []
    assert lake.read(lake.write("x/a", numbers(3))) == numbers(3)


def test_threads_may_share_it(lake: LakeTables) -> None:
    answers: list[bool] = []

    def work(index: int) -> None:
        for value in range(3):
            pin = lake.write(f"thread/{index}", numbers(index, value))
            answers.append(lake.read(pin) == numbers(index, value))

    threads = [threading.Thread(target=work, args=[index]) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [True] * 12


def test_a_forked_child_is_told_instead_of_hanging(lake: LakeTables) -> None:
    pin = lake.write("forked", numbers(1))
    read_end, write_end = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            lake.read(pin)
            said = "read"
        except Unavailable:
            said = "unavailable"
        os.write(write_end, said.encode())
        os._exit(0)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        assert pipe.read() == "unavailable"
    os.waitpid(child, 0)


def test_closed_tables_open_again(lake: LakeTables) -> None:
    pin = lake.write("closed", numbers(1))
    lake.close()
    lake.close()
    assert lake.read(pin) == numbers(1)


def test_wrong_modes_are_refused(lake: LakeTables, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="unknown mode"):
        LakeTables(tmp_path, "rw")  # pyright: ignore[reportArgumentType]
    with pytest.raises(BadInput, match="unknown write mode"):
        lake.write("t", numbers(1), mode="merge")  # pyright: ignore[reportArgumentType]
    with pytest.raises(Conflict, match="read only"):
        LakeTables(tmp_path, "r").sweep()


def test_a_lake_of_another_format_is_not_touched(tmp_path: Path) -> None:
    tables = LakeTables(tmp_path)
    pin = tables.write("t", numbers(1))
    tables.close()
    with sqlite3.connect(tmp_path / "lake.db") as metadata:
        metadata.execute("UPDATE ducklake_metadata SET value = '9.9' WHERE key = 'version'")
    for mode in ("w", "r"):
        with pytest.raises(NewerWorkspace, match=r"9\.9") as caught:
            LakeTables(tmp_path, mode).read(pin)
        assert "upgrade" in str(caught.value)
    with sqlite3.connect(tmp_path / "lake.db") as metadata:
        assert metadata.execute("SELECT value FROM ducklake_metadata WHERE key = 'version'").fetchall() == [("9.9",)]


def test_threads_and_memory_are_limited(tmp_path: Path) -> None:
    tables = LakeTables(tmp_path, threads=1, memory_limit="64MB")
    tables.write("t", numbers(1))
    wide = pa.table({"text": ["x" * 1000] * 100, "n": range(100)})
    pin = tables.write("wide", wide)
    assert tables.read(pin).num_rows == 100
    with tables._attached().cursor() as cursor:  # what DuckDB itself says it was given
        settings = dict(cursor.execute("SELECT name, value FROM duckdb_settings()").fetchall())
    assert settings["threads"] == "1"
    assert settings["memory_limit"] == "61.0 MiB"
    assert settings["autoinstall_known_extensions"] == settings["autoload_known_extensions"] == "false"
    tables.close()


def test_the_pinned_duckdb_is_the_one_tried() -> None:
    """Other versions may log, lock and lay out differently: a change of version is a change to look at."""
    assert duckdb.__version__ == "1.5.5"
