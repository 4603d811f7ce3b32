"""What is uploaded, asked and typed by somebody with a key and bad intentions: refused with a reason, or kept and given back whole."""

from __future__ import annotations

import io
import re
import socket
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pickaxe.kernel.errors import Unavailable
from pickaxe.kernel.tables.turns import Turns
from tests.server.native import Served, serving

TAR, ARROW = {"content-type": "application/x-tar"}, {"content-type": "application/vnd.apache.arrow.stream"}
JSON = {"content-type": "application/json"}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("hostile")) as served:
        yield served


@pytest.fixture
def http(served: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served[1]) as http:
        yield http


def refused(answer: httpx.Response, said: str, status: int = 422) -> None:
    assert (answer.status_code, said in answer.text) == (status, True), answer.text[:500]


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


def tar(*members: tuple[str, bytes], **info: Any) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            for key, value in info.items():
                setattr(member, key, value)
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def sparse(size: int) -> bytes:
    """A file of `size` zeros in a kilobyte (GNU tar, sparse format 1.0)."""
    listed = b"1\n%d\n0\n" % size
    headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "bomb", "GNU.sparse.realsize": str(size)}
    return tar(("GNUSparseFile.0/bomb", listed.ljust(512, b"\0")), pax_headers=headers)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(sparse(1 << 40), id="a terabyte of nothing"),
        pytest.param(tar(("a" * 300, b"x")), id="a name longer than any file's"),
        pytest.param(tar(("a", b"x"), ("a/b", b"x")), id="a file that is a folder"),
        pytest.param(tar(("", b"x")), id="no name"),
        pytest.param(tar((".", b"x")), id="the folder itself"),
        pytest.param(tar(("a\x1b[31m", b"x")), id="a name that colours terminals"),
        pytest.param(tar(("\u202egpj.exe", b"x")), id="a name that runs backwards"),
    ],
)
def test_folders_that_are_traps(http: httpx.Client, served: Served, body: bytes) -> None:
    refused(http.post("/v1/imports", params={"name": "trap"}, content=body, headers=TAR), "")
    assert list(served[0].scratch.iterdir()) == []


@pytest.mark.parametrize("name", ["é" * 200, "a\nb", "a\x1b[31m", "\u202egpj.exe", "a\r\nset-cookie: x=1"])
def test_file_names_that_are_none(http: httpx.Client, name: str) -> None:
    refused(http.post("/v1/imports", params={"name": "trap", "filename": name}, content=b"x"), "is not a file name")


def stream(table: pa.Table, **options: Any) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes()


def _views() -> pa.Table:
    long = pa.array(["x" * 10_000_000], pa.string_view())
    views = long.buffers()[1].to_pybytes() * 10_000
    return pa.table({"a": pa.Array.from_buffers(pa.string_view(), 10_000, [None, pa.py_buffer(views), long.buffers()[2]])})


TRAPS = {
    "compressed": (pa.table({"a": pa.array([b"\0" * 50_000_000])}), {"compression": "zstd"}),
    "compressed dictionary": (
        pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0]), pa.array(["x" * 50_000_000]))}),
        {"compression": "zstd"},
    ),
    "rows of nothing": (pa.table({"a": pa.nulls(1 << 30)}), {}),
    "lists of nothing": (pa.table({"a": pa.FixedSizeListArray.from_arrays(pa.nulls(1 << 30), 1 << 27)}), {}),
    "one text many times": (
        pa.table({"a": pa.DictionaryArray.from_arrays(pa.array([0] * 10_000, pa.int8()), pa.array(["x" * 10_000_000]))}),
        {},
    ),
    "one text seen from many rows": (_views(), {}),
    "runs": (pa.table({"a": pa.RunEndEncodedArray.from_arrays(pa.array([1 << 30], pa.int64()), pa.array(["x"]))}), {}),
}


@pytest.mark.parametrize("trap", TRAPS)
def test_tables_that_are_larger_than_they_look(http: httpx.Client, trap: str) -> None:
    table, options = TRAPS[trap]
    answer = http.post("/v1/imports", params={"name": "trap"}, content=stream(table, **options), headers=ARROW)
    assert answer.status_code == 422, answer.text[:500]


def _parquet(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink, compression="zstd", dictionary_pagesize_limit=16 << 20)  # else each row is written in full
    return sink.getvalue().to_pybytes()


def _one_text_in_every_row() -> pa.Table:
    codes = pa.array([0] * 8192, pa.int32())
    return pa.table({"text": pa.DictionaryArray.from_arrays(codes, pa.array(["a " * 2_000_000])), "label": ["x"] * 8192})


PARQUET = {
    "one text in every row": _one_text_in_every_row,
    "one text of three hundred megabytes": lambda: pa.table({"text": ["b" * 300_000_000], "label": ["x"]}),
    "a year that no calendar has": lambda: pa.table({"text": pa.array([2**62]).cast(pa.timestamp("us")), "label": ["x"]}),
}


@pytest.mark.slow
@pytest.mark.parametrize("trap", PARQUET)
def test_parquet_that_is_larger_than_it_looks(http: httpx.Client, trap: str) -> None:
    body = _parquet(PARQUET[trap]())
    assert len(body) < 200_000
    before = psutil.Process().memory_info().rss
    said = http.post("/v1/imports", params={"name": "trap", "filename": "trap.parquet", "texts": True}, content=body)
    assert said.status_code == 422, said.text[:500]
    kept = http.post(
        "/v1/imports", params={"name": f"uploads/{trap.replace(' ', '-')}", "filename": "trap.parquet"}, content=body
    )
    assert kept.status_code == 201
    assert http.get(f"/v1/looks/{kept.json()['data']['id']}").status_code == 422
    assert http.get("/tasks/-/new", params={"source": kept.json()["data"]["id"]}).status_code == 422
    assert psutil.Process().memory_info().rss - before < 300_000_000, "the server is this process"


def test_a_look_at_a_folder_says_so(http: httpx.Client) -> None:
    refused(http.get("/v1/looks/words/model"), "is a folder")
    refused(http.get("/tasks/-/new", params={"source": "words/model"}), "is a folder")


def test_plain_tables_of_many_types_are_taken(http: httpx.Client) -> None:
    words = pa.array(["a", "b", None, "a"])
    columns = {
        "word": words,
        "coded": words.dictionary_encode(),
        "views": words.cast(pa.string_view()),
        "lists": pa.array([[1, 2], [], None, [3]]),
        "pairs": pa.array([[1, 2], [3, 4], None, [5, 6]], pa.list_(pa.int8(), 2)),
        "things": pa.array([{"a": 1, "b": ["x"]}, None, {"a": None, "b": []}, {"a": 2, "b": None}]),
        "nothing": pa.nulls(4),
    }
    answer = http.post("/v1/imports", params={"name": "plain"}, content=stream(pa.table(columns)), headers=ARROW)
    assert answer.status_code == 201, answer.text[:500]
    assert http.get("/v1/rows/plain").json()["data"]["total"] == 4


@pytest.mark.parametrize("cut", [0, 4, 40, 200, -9])
def test_a_stream_that_is_none(http: httpx.Client, cut: int) -> None:
    whole = stream(pa.table({"a": ["x"] * 100}))
    body = bytes(reversed(whole)) if cut == -9 else whole[:cut]
    refused(http.post("/v1/imports", params={"name": "trap"}, content=body, headers=ARROW), "Arrow IPC stream")


def test_what_is_too_deep_to_be_given_back_is_not_taken(http: httpx.Client) -> None:
    said = '{"events":[{"kind":"note","subject":"here","body":{"a":%s}}]}'
    refused(http.post("/v1/events", content=said % deep(250), headers=JSON), "nested too deeply")
    refused(http.post("/v1/events", content=said % deep(900), headers=JSON), "nested too deeply")
    assert http.post("/v1/events", content=said % deep(150), headers=JSON).status_code == 201
    assert http.get("/v1/events", params={"subject": "here"}).status_code == 200


@pytest.mark.parametrize("toml", ["a=" + "[" * 15_000, ".".join(["a"] * 9_000) + "=1", "[" + '"x".' * 3_000 + "x]\n"])
def test_task_files_that_are_traps(http: httpx.Client, toml: str) -> None:
    start = time.monotonic()
    refused(http.post("/v1/jobs/forecast", json={"toml": toml}), "cannot be read")
    assert time.monotonic() - start < 60
    page = http.get("/tasks/-/new", params={"source": "words/model", "settings": toml[:6_000]})
    assert page.status_code < 500


@pytest.mark.parametrize(
    "value",
    [
        "'infinity'::timestamp",
        "'290000-01-01'::date",
        "'-290000-01-01'::timestamp",
        "'infinity'::timestamptz",
        "interval 3 months",
    ],
)
def test_instants_without_a_python_object_are_texts(http: httpx.Client, value: str) -> None:
    answer = http.post("/v1/sql", json={"query": f"SELECT {value} AS v"})
    assert answer.status_code == 200, answer.text
    page = http.get("/data/-/sql", params={"q": f"SELECT {value} AS v"})
    assert page.status_code == 200, page.text[-500:]


def test_every_type_that_a_query_can_answer_with(http: httpx.Client) -> None:
    for query in ("SELECT * FROM test_all_types()", "SELECT [TIMESTAMP 'infinity'] AS a, {'x': DATE '290000-01-01'} AS b"):
        assert http.post("/v1/sql", json={"query": query}).status_code == 200
        assert http.get("/data/-/sql", params={"q": query}).status_code == 200


def test_instants_of_an_upload_too(http: httpx.Client) -> None:
    far = pa.table(
        {"at": pa.array([2**62], pa.int64()).cast(pa.timestamp("us")), "day": pa.array([2**30], pa.int32()).cast(pa.date32())}
    )
    assert http.post("/v1/imports", params={"name": "far"}, content=stream(far), headers=ARROW).status_code == 201
    for path in ("/v1/rows/far", "/data?artifact=far", "/artifacts/" + http.get("/v1/artifacts/far").json()["data"]["id"]):
        assert http.get(path).status_code == 200, path


def test_values_that_are_too_deep_for_json(http: httpx.Client) -> None:
    refused(http.post("/v1/sql", json={"query": "SELECT " + "[" * 300 + "1" + "]" * 300}), "cannot be answered")
    refused(http.post("/v1/sql", json={"query": "SELECT " + "[" * 55 + "1" + "]" * 55}), "nested")
    refused(http.post("/v1/sql", content='{"query": "SELECT ?", "params": [%s]}' % deep(400), headers=JSON), "nested")  # noqa: UP031


def test_uploads_leave_room_for_those_who_are_here(http: httpx.Client, served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil

    usage = shutil.disk_usage("/")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(total=100 << 30, used=98 << 30, free=(1 << 30) + 1000))
    params = {"name": "uploads/some", "filename": "some.csv"}
    assert http.post("/v1/imports", params=params, content=b"x" * 500).status_code == 201
    refused(http.post("/v1/imports", params=params, content=b"x" * 2000), "no room left", 507)
    assert http.post("/v1/sql", json={"query": "SELECT 1"}).status_code == 200
    monkeypatch.setattr(shutil, "disk_usage", lambda place: usage._replace(total=100 << 30, used=100 << 30, free=1000))
    monkeypatch.setattr("pickaxe.wire.native.routes_imports._LOOKED_AFTER", 1000)
    refused(http.post("/v1/imports", params=params, content=iter([b"x" * 600] * 4)), "no room left", 507)


@pytest.mark.parametrize("path", ["//evil.example/x", "/\\evil.example", "///evil.example"])
def test_no_page_links_to_where_its_address_only_seems_to_lead(http: httpx.Client, served: Served, path: str) -> None:
    with socket.create_connection(("127.0.0.1", int(served[1].rpartition(":")[2])), timeout=120) as client:
        client.sendall(f"GET {path} HTTP/1.0\r\nHost: localhost\r\nAccept: text/html\r\n\r\n".encode())
        page = b"".join(iter(lambda: client.recv(65536), b"")).decode()
    assert "404" in page.partition("\r\n")[0]
    assert not re.search(r"(?:href|action|value)=\"[/\\\\]{2}", page)


def test_no_more_queries_at_once_than_there_are_turns() -> None:
    turns, entered, leave = Turns(each=1, most=2, waiting=1, seconds=0.2, what="queries"), threading.Barrier(3), threading.Event()

    def hold(whose: str) -> None:
        with turns.of(whose):
            entered.wait()
            leave.wait()

    holders = [threading.Thread(target=hold, args=[whose]) for whose in ("a", "b")]
    for holder in holders:
        holder.start()
    entered.wait()
    for whose in ("a", "c"):
        with pytest.raises(Unavailable, match="too many queries") as caught, turns.of(whose):
            pass
        assert caught.value.details["retry_after"]
    leave.set()
    for holder in holders:
        holder.join()
    with turns.of("a"):
        pass


def test_one_tenants_queries_leave_the_server_answering(http: httpx.Client, served: Served) -> None:
    slow = {"query": "SELECT count(*) FROM range(1000000) a, range(1000000) b WHERE a.range * b.range = -1", "seconds": 4}
    found: list[int] = []

    def ask() -> None:
        found.append(httpx.post(f"{served[1]}/v1/sql", json=slow).status_code)

    askers = [threading.Thread(target=ask) for _ in range(50)]
    for asker in askers:
        asker.start()
    time.sleep(1)
    assert http.get("/v1/artifacts").status_code == 200
    assert any(asker.is_alive() for asker in askers), "their queries are not over yet"
    for asker in askers:
        asker.join()
    assert set(found) == {422, 503}
    assert found.count(503) >= 40


def test_nothing_is_left_in_scratch(served: Served) -> None:
    assert [path for path in Path(served[0].scratch).iterdir() if path.is_file()] == []
