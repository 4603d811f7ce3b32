"""Workspaces in a bucket, and what is said when the bucket cannot be used."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

from pickaxe.kernel.blobs.kept import KeptBlobs
from pickaxe.kernel.blobs.local import LocalBlobs
from pickaxe.kernel.depot.objects import ObjectDepot
from pickaxe.kernel.digest import bytes_digest
from pickaxe.kernel.errors import BadInput, Conflict, Corrupted, PickaxeError, Unavailable
from pickaxe.kernel.system.durable import remove
from pickaxe.kernel.workspace import Workspace
from tests.kernel import object_server
from tests.kernel.object_server import BUCKET, REGION, client, endpoint, objects, url
from tests.kernel.test_encryption import SECRET, fill

pytestmark = pytest.mark.slow


@pytest.fixture
def depot(tmp_path: Path) -> ObjectDepot:
    return ObjectDepot(url(tmp_path), "part")


# -- whole workspaces


@pytest.fixture
def bucket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder whose workspaces keep their objects in the bucket."""
    monkeypatch.setenv("PICKAXE_OBJECTS", url(tmp_path))
    return tmp_path


def test_a_workspace_in_a_bucket_gives_the_same_digests(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workspace(bucket / "ws") as workspace:
        there = fill(workspace)
    kept = objects(bucket)
    assert any("/tables/main/" in key for key in kept)
    assert any("/blobs/sha256/" in key for key in kept)
    assert not list((bucket / "ws").rglob("*.parquet")), "Parquet files are in the bucket only"
    remove(bucket / "ws" / "cache")
    with Workspace(bucket / "ws") as workspace:
        assert workspace.read_json(workspace.artifact("t/report")) == {"about": SECRET}
        assert workspace.read_table(workspace.artifact("t/table")).num_rows == 1000
    monkeypatch.delenv("PICKAXE_OBJECTS")
    with Workspace(bucket / "plain") as workspace:
        assert fill(workspace) == there


def test_an_encrypted_workspace_in_a_bucket_shows_nothing(bucket: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bucket / "room").mkdir()
    monkeypatch.setenv("PICKAXE_SCRATCH", str(bucket / "room"))
    monkeypatch.setenv("PICKAXE_KEY", "env:THE_KEY")
    monkeypatch.setenv("THE_KEY", "5a" * 32)
    with Workspace(bucket / "ws") as workspace:
        fill(workspace)
    for key, content in objects(bucket).items():
        assert SECRET not in key
        assert SECRET.encode() not in content
    assert not [path for path in (bucket / "ws").rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


def test_two_workspaces_do_not_share_a_place_by_accident(bucket: Path) -> None:
    rows = pa.table({"n": [1]})
    with Workspace(bucket / "ws") as workspace:
        workspace.import_table(rows, "t/rows")
    with Workspace(bucket / "other") as other, pytest.raises(Corrupted, match="metadata is gone") as caught:
        other.import_table(rows, "t/rows")
    assert "another workspace's" in str(caught.value)
    assert f"s3://{BUCKET}" in str(caught.value)


def test_another_program_can_read_the_tables(bucket: Path) -> None:
    """DuckDB with its own extensions, at the bucket and the metadata: no Pickaxe in between."""
    import duckdb

    from pickaxe.kernel.tables.extensions import extension_file

    with Workspace(bucket / "ws") as workspace:
        workspace.import_table(pa.table({"n": [3, 1, 2]}), "t/numbers")
    with duckdb.connect() as connection:
        for name in ("sqlite_scanner", "ducklake", "httpfs"):
            connection.execute(f"LOAD '{extension_file(name)}'")
        connection.execute(
            "CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', URL_STYLE 'path', USE_SSL false,"
            f" ENDPOINT '{endpoint().removeprefix('http://')}', REGION '{REGION}')"
        )
        place = f"s3://{BUCKET}/{object_server.prefix(bucket)}/tables/"
        connection.execute(
            f"ATTACH 'ducklake:sqlite:{bucket}/ws/lake.db' AS lake (READ_ONLY, DATA_PATH '{place}', OVERRIDE_DATA_PATH true)"
        )
        assert connection.execute('SELECT sum(n) FROM lake.main."t/numbers"').fetchall() == [(6,)]


# -- the depot


def test_big_things_go_in_parts_and_are_there_whole_or_not_at_all(depot: ObjectDepot) -> None:
    part = os.urandom(1 << 20)
    depot.put("big", iter([part] * 20))
    assert depot.size("big") == 20 << 20
    assert bytes_digest(b"".join(depot.get("big"))) == bytes_digest(part * 20)

    def breaks_off() -> Iterator[bytes]:
        yield from [part] * 20
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        depot.put("half", breaks_off())
    assert depot.size("half") is None
    assert not client().list_multipart_uploads(Bucket=BUCKET).get("Uploads"), "no parts are left to pay for"


def test_what_must_be_new_takes_nobody_elses_place(depot: ObjectDepot) -> None:
    depot.put("x", [b"first"], new=True)
    with pytest.raises(Conflict, match="there already"):
        depot.put("x", [b"second"], new=True)
    assert b"".join(depot.get("x")) == b"first"
    depot.put("x", [b"first"], new=True)  # as when an answer was lost and the client asked again


def test_a_blob_found_spoilt_is_written_again(tmp_path: Path) -> None:
    place = url(tmp_path)
    blobs = KeptBlobs(ObjectDepot(place, "blobs"), LocalBlobs(tmp_path / "cache"))
    digest, _ = blobs.put_bytes(b"precious" * 100)
    assert object_server.spoil(tmp_path)
    with pytest.raises(Corrupted, match=digest):
        blobs.read_bytes(digest)
    blobs.put_bytes(b"precious" * 100)
    assert blobs.read_bytes(digest) == b"precious" * 100


def test_a_file_that_changes_while_it_is_stored_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pickaxe.kernel.blobs import kept as blobs_kept

    blobs = KeptBlobs(ObjectDepot(url(tmp_path), "blobs"), LocalBlobs(tmp_path / "cache"))
    (tmp_path / "file").write_bytes(b"changed since")
    monkeypatch.setattr(blobs_kept, "file_digest", lambda path: bytes_digest(b"as it was"))
    with pytest.raises(Corrupted):
        blobs.put_file(tmp_path / "file")
    assert not blobs.exists(bytes_digest(b"as it was"))


@pytest.mark.parametrize("wrong", ["s3:///x", "http://bucket/x", "s3://bucket/x?colour=red", "s3://me:secret@bucket/x", ""])
def test_a_url_that_is_none_is_refused(wrong: str) -> None:
    with pytest.raises(BadInput, match="not usable") as caught:
        ObjectDepot(wrong, "part")
    assert "secret" not in str(caught.value)


def test_a_missing_bucket_is_named(tmp_path: Path) -> None:
    depot = ObjectDepot(f"s3://no-such-bucket/x?endpoint={endpoint()}&region={REGION}", "part")
    asks = (lambda: depot.size("x"), lambda: depot.put("x", [b""]), lambda: next(depot.get("x")), lambda: list(depot.names()))
    for ask in asks:
        with pytest.raises(Unavailable, match="no bucket 'no-such-bucket'"):
            ask()


def test_missing_credentials_are_said(monkeypatch: pytest.MonkeyPatch) -> None:
    place = f"s3://{BUCKET}/x?endpoint={endpoint()}&region={REGION}"
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    # Where the machine's own role would be asked for, nobody is.
    monkeypatch.setenv("AWS_METADATA_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Unavailable, match="no credentials"):
        ObjectDepot(place, "part").size("x")


def test_a_store_that_is_down_is_said_and_not_waited_for_long() -> None:
    with pytest.raises(Unavailable, match="cannot be reached") as caught:
        ObjectDepot(f"s3://{BUCKET}/x?endpoint=http://127.0.0.1:9&region={REGION}", "part").size("x")
    assert "AWS_ENDPOINT_URL" in str(caught.value)


class _Scripted(BaseHTTPRequestHandler):
    """A store that answers as its script says: moto neither denies access nor falters."""

    script: ClassVar[list[tuple[int, str]]] = []
    asked = 0

    def _answer(self) -> None:
        type(self).asked += 1
        status, code = self.script.pop(0) if len(self.script) > 1 else self.script[0]
        listing = '<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"></ListBucketResult>'
        body = (f"<Error><Code>{code}</Code><Message>said so</Message></Error>" if code else listing).encode()
        self.send_response(status)
        self.send_header("ETag", '"tag"')
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def scripted() -> Iterator[tuple[ObjectDepot, type[_Scripted]]]:
    handler = type("Handler", (_Scripted,), {"script": [], "asked": 0})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    endpoint()  # credentials
    yield ObjectDepot(f"s3://{BUCKET}/x?endpoint=http://127.0.0.1:{server.server_port}&region={REGION}", "part"), handler
    server.shutdown()


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (403, "AccessDenied", "is denied"),
        (403, "InvalidAccessKeyId", "does not know these credentials"),
        (403, "SignatureDoesNotMatch", "does not know these credentials"),
        (400, "AuthorizationHeaderMalformed", "another region"),
        (301, "region", "another region"),
        (418, "Teapot", "answered with an error"),
    ],
)
def test_what_the_store_refuses_is_explained(
    scripted: tuple[ObjectDepot, type[_Scripted]], status: int, code: str, words: str
) -> None:
    depot, handler = scripted
    handler.script = [(status, code)]
    with pytest.raises(PickaxeError, match=words) as caught:
        depot.put("x", [b"content"])
    assert code in str(caught.value)
    assert "Debug source" not in str(caught.value)


def test_a_store_without_conditional_puts_will_do(scripted: tuple[ObjectDepot, type[_Scripted]]) -> None:
    depot, handler = scripted
    list_, refused = (200, ""), (501, "NotImplemented")
    handler.script = [list_, *[refused] * 6, (200, "")]  # a refusal is sent again like any server error
    depot.put("x", [b"content"], new=True)
    assert handler.script == [(200, "")]


def test_what_passes_is_tried_again(scripted: tuple[ObjectDepot, type[_Scripted]]) -> None:
    depot, handler = scripted
    handler.script = [(503, "SlowDown"), (500, "InternalError"), (200, "")]
    assert list(depot.names()) == []
    assert handler.asked >= 3
