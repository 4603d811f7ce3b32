"""The native API over a real workspace: what OpenAPI says is so, lists go on, streams are live, limits hold."""

from __future__ import annotations

import io
import json
import socket
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import TypeAdapter

import pickaxe
from pickaxe.serve.config import ServeConfig
from pickaxe.server.run import ServerThread
from pickaxe.server.up import whole_app
from tests.server.native import Served, serving

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("native")) as found:
        yield found


def get(served: Served, path: str, **params: Any) -> Any:
    answer = httpx.get(served[1] + path, params=params)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


# OpenAPI


def test_every_route_is_described_with_examples_that_fit_its_models(served: Served) -> None:
    from fastapi.routing import iter_route_contexts

    app = whole_app(served[0])
    schema = app.openapi()
    models = {
        (str(route.path).replace(":path}", "}"), method): route.response_model
        for route in iter_route_contexts(app.routes)
        for method in route.methods or ()
    }
    problems: list[str] = []
    for path, methods in schema["paths"].items():
        for method, told in methods.items():
            if not path.startswith("/v1/"):
                continue
            where = f"{method.upper()} {path}"
            if not (told.get("summary") and told.get("tags")):
                problems.append(f"{where}: no summary or tags")
            good = next(code for code in told["responses"] if code.startswith("2"))
            content = told["responses"][good].get("content", {}).get("application/json")
            if content is None:
                continue
            example, model = content.get("example"), models[path, method.upper()]
            if model is None:
                continue
            if example is None:
                if not _has_field_examples(schema, content["schema"]):
                    problems.append(f"{where}: no example")
                continue
            TypeAdapter(model).validate_python(example)
            body = told.get("requestBody", {}).get("content", {}).get("application/json")
            if body is not None and not body.get("example") and "examples" not in json.dumps(body):
                problems.append(f"{where}: no example of a body")
    assert problems == []


def _has_field_examples(schema: dict[str, Any], told: dict[str, Any]) -> bool:
    """Serving's own routes carry their examples at the fields."""
    name = str(told.get("$ref", "")).rpartition("/")[2]
    return '"examples"' in json.dumps(schema["components"]["schemas"].get(name, {}))


@pytest.mark.parametrize(
    "path",
    [
        "/v1",
        "/v1/runs",
        "/v1/artifacts",
        "/v1/events",
        "/v1/jobs",
        "/v1/published",
        "/v1/bill",
        "/v1/charges",
        "/v1/prices",
        "/v1/endpoints",
        "/v1/tasks",
        "/v1/tasks/words",
        "/v1/cost/words/total",
        "/v1/lineage/words/total",
        "/v1/artifacts/words/model",
        "/v1/rows/words/rows",
        "/v1/files/words/model",
        "/v1/documents/words/total",
        "/v1/blast?target=words/total:1",
    ],
)
def test_answers_keep_their_models(served: Served, path: str) -> None:
    from fastapi.routing import iter_route_contexts
    from starlette.routing import compile_path

    answer = httpx.get(served[1] + path)
    assert answer.status_code == 200, answer.text
    plain = path.partition("?")[0]
    for route in iter_route_contexts(whole_app(served[0]).routes):
        if route.path and "GET" in (route.methods or ()) and compile_path(route.path)[0].match(plain):
            TypeAdapter(route.response_model).validate_json(answer.content)
            return
    pytest.fail("no such route")


# Paging, values


WHOLE = {
    "/v1": "one line for each route of the server",
    "/v1/runs/{run_id}/metrics": "curves, 10,000 points at most",
    "/v1/claims": "the claims that ship",
}
"""Lists that come whole, and why they have an end."""


def test_every_other_list_goes_on_page_by_page(served: Served) -> None:
    schema = whole_app(served[0]).openapi()
    whole: set[str] = set()
    for path, methods in schema["paths"].items():
        if "get" not in methods:
            continue
        answer = methods["get"]["responses"]["200"]["content"].get("application/json", {}).get("schema", {})
        envelope = schema["components"]["schemas"].get(str(answer.get("$ref", "")).rpartition("/")[2], {})
        if envelope.get("properties", {}).get("data", {}).get("type") == "array":
            whole.add(path)
    assert whole == WHOLE.keys()


@pytest.mark.parametrize("path", ["/v1/charges", "/v1/prices", "/v1/events", "/v1/artifacts", "/v1/runs", "/v1/rows/words/rows"])
def test_pages_of_one_are_the_whole_list(served: Served, path: str) -> None:
    whole, paged, after = get(served, path, limit=1000), [], None
    assert whole["next"] is None
    while True:
        page = get(served, path, limit=1, **({"after": after} if after else {}))
        paged += page["items"]
        if (after := page["next"]) is None:
            break
    assert len(paged) > 1
    assert paged[: len(whole["items"])] == whole["items"]


def test_people_keys_and_queues_go_on(served: Served) -> None:
    workspace, _ = served
    for name in ("b", "c", "a"):
        workspace.members.create_key(f"key {name}", ["read"])
    first = get(served, "/v1/keys", limit=2)
    second = get(served, "/v1/keys", limit=2, after=first["next"])
    assert [key["name"] for key in (*first["items"], *second["items"])] == ["key a", "key c", "key b"]
    assert second["next"] is None
    assert [item["name"] for item in get(served, "/v1/published", limit=1)["items"]] == ["words"]
    for path in ("/v1/people", "/v1/tenants", "/v1/queues", "/v1/endpoints"):
        assert get(served, path, limit=1).keys() == {"items", "next"}


def test_runs_are_filtered_and_go_on(served: Served) -> None:
    first = get(served, "/v1/runs", limit=1)
    second = get(served, "/v1/runs", limit=1, after=first["next"])
    assert [item["name"] for item in (*first["items"], *second["items"])] == ["words/double", "words/count"]
    assert second["next"] is None
    assert [item["name"] for item in get(served, "/v1/runs", state="succeeded", prefix="words/c")["items"]] == ["words/count"]
    assert get(served, "/v1/runs", state="failed")["items"] == []
    run = first["items"][0]["id"]
    assert get(served, f"/v1/runs/{run}")["name"] == "words/double"


def test_where_a_task_stands(served: Served) -> None:
    (task,) = [item for item in get(served, "/v1/tasks")["items"] if item["name"] == "words"]
    stages = {stage["stage"]: stage["state"] for phase in task["phases"] for stage in phase["stages"]}
    assert stages["double"] == "succeeded"
    served[0].import_json({"passed": True}, "words/verdict")  # nobody's: no run made it
    detail = get(served, "/v1/tasks/words")
    assert (detail["verdict"], [model["ref"] for model in detail["models"]]) == (None, ["words/model:1"])
    assert httpx.get(f"{served[1]}/v1/tasks/nobody").status_code == 404


def test_a_cost_says_what_energy_it_took(served: Served) -> None:
    told = get(served, "/v1/cost/words/total")
    whole, parts = told["footprint"], [run["footprint"] for run in told["runs"]]
    assert (told["grid"], len(parts)) == ("world", 2)
    assert whole["joules"] == pytest.approx(sum(part["joules"] for part in parts))
    assert whole["joules"] > 0
    assert whole["basis"] in ("measured", "partly measured", "estimated")
    elsewhere = get(served, "/v1/cost/words/total", grid="France")
    assert elsewhere["footprint"]["joules"] == whole["joules"]
    assert 0 < elsewhere["footprint"]["grams_co2e"] < whole["grams_co2e"]
    assert get(served, "/v1/cost/words/rows")["footprint"] is None, "no run, no reading"
    refused = httpx.get(f"{served[1]}/v1/cost/words/total", params={"grid": "frannce"})
    assert (refused.status_code, "france" in refused.text.lower()) == (404, True)


def test_metrics_and_logs_of_a_run(served: Served) -> None:
    run = get(served, "/v1/runs", name="words/count")["items"][0]["id"]
    (series,) = get(served, f"/v1/runs/{run}/metrics")
    assert (series["name"], [point["step"] for point in series["points"]]) == ("number", [0, 1])
    assert "counted" in [line["text"] for line in get(served, f"/v1/runs/{run}/logs")["items"]]


def test_rows_are_plain_json_page_by_page(served: Served) -> None:
    first = get(served, "/v1/rows/words/rows", limit=2)
    assert first == {
        "columns": ["label", "score", "raw"],
        "items": [["a", 1.5, "/w=="], ["b", None, ""]],
        "total": 3,
        "next": "2",
    }
    assert get(served, "/v1/rows/words/rows", after="2", column=["label"])["items"] == [["a"]]
    assert get(served, "/v1/rows/words/rows", after="99")["items"] == []


def test_a_file_is_sent_with_a_policy_that_lets_nothing_run(served: Served) -> None:
    answer = httpx.get(f"{served[1]}/v1/files/words/model", params={"path": "pickaxe.json"})
    assert answer.json()["format"] == "fake-words"
    assert "sandbox" in answer.headers["content-security-policy"]
    for path in ("../pickaxe.json", "/etc/passwd", "pickaxe.json/..", "", "nothing"):
        assert httpx.get(f"{served[1]}/v1/files/words/model", params={"path": path}).status_code in (
            404,
            200 if not path else 404,
        )


# SQL


def test_sql_over_tables_and_records(served: Served) -> None:
    def ask(query: str, **more: Any) -> httpx.Response:
        return httpx.post(f"{served[1]}/v1/sql", json={"query": query, **more})

    answer = ask('SELECT label, count(*) AS n FROM "words/rows:1" GROUP BY label ORDER BY label').json()["data"]
    assert answer == {
        "columns": [{"name": "label", "type": "string"}, {"name": "n", "type": "int64"}],
        "rows": [["a", 2], ["b", 1]],
    }
    joined = ask(
        "SELECT a.name, r.state FROM artifacts a JOIN runs r ON r.id = a.run_id WHERE a.name = ? ORDER BY version",
        params=["words/total"],
    )
    assert joined.json()["data"]["rows"] == [["words/total", "succeeded"], ["words/total", "succeeded"]]
    assert ask("SELECT count(*) FROM events WHERE kind = 'metric'").json()["data"]["rows"] == [[2]]
    assert ask("SELECT sum(nano) > 0 FROM charges").json()["data"]["rows"] == [[True]]
    assert ask("WITH t AS (SELECT 1 AS x) SELECT x FROM t").json()["data"]["rows"] == [[1]]
    for query in (
        "DROP TABLE runs",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "COPY runs TO '/tmp/x'",
        "ATTACH 'x.db'",
        "SELECT 1; SELECT 2",
        "SELECT",
        "SELECT * FROM glob('/*')",
        "SELECT getenv('HOME')",
        "SET memory_limit = '100GB'",
        "INSTALL httpfs",
    ):
        answer = ask(query)
        assert answer.status_code in (404, 422), (query, answer.text)
    assert ask("SELECT * FROM range(100000) t(a)", limit=10).json()["error"]["message"] == "the answer is too large"
    slow = ask("SELECT count(*) FROM range(100000) a(x), range(100000) b(y) WHERE (x * y) % 7 = 3", seconds=0.3)
    assert slow.status_code == 422
    assert "too long" in slow.text


# Uploads


@pytest.mark.parametrize("name", ["../out.txt", "/tmp/out.txt", "a/../../out.txt"])
def test_an_upload_stays_where_it_belongs(served: Served, name: str) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo(name)
        member.size = 1
        archive.addfile(member, io.BytesIO(b"x"))
    answer = httpx.post(
        f"{served[1]}/v1/imports",
        params={"name": "up/load"},
        content=packed.getvalue(),
        headers={"content-type": "application/x-tar"},
    )
    single = httpx.post(f"{served[1]}/v1/imports", params={"name": "up/load", "filename": name}, content=b"x")
    assert single.status_code == 422
    assert answer.status_code == 422 or not Path(name).is_absolute() or answer.status_code == 201
    assert not Path("/tmp/out.txt").exists()


def test_links_and_junk_are_refused(served: Served) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        link = tarfile.TarInfo("link")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    for content, media in (
        (packed.getvalue(), "application/x-tar"),
        (b"junk", "application/x-tar"),
        (b"junk", "application/vnd.apache.arrow.stream"),
    ):
        answer = httpx.post(
            f"{served[1]}/v1/imports", params={"name": "up/load"}, content=content, headers={"content-type": media}
        )
        assert answer.status_code == 422, answer.text
    form = httpx.post(f"{served[1]}/v1/imports", params={"name": "up/load"}, files={"file": b"text\na\n"})
    assert (form.status_code, form.json()["error"]["code"]) == (415, "unsupported_media")
    assert not list(served[0].scratch.iterdir())


# Limits of a request


def test_a_body_that_is_too_large_is_refused_unread(served: Served) -> None:
    answer = httpx.post(f"{served[1]}/v1/events", json={"events": [{"kind": "note", "subject": "x", "name": "n" * 30_000}]})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")


def test_a_client_that_stops_sending_is_let_go(tmp_path: Path) -> None:
    with (
        pickaxe.open(tmp_path / "workspace") as workspace,
        ServerThread(workspace, whole=True, config=ServeConfig(body_seconds=0.5)) as server,
        socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2]))) as client,
    ):
        client.sendall(
            b"POST /v1/jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"
        )
        client.settimeout(120)
        assert client.recv(100).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/runs?limit=0", 422),
        ("GET", "/v1/runs?limit=5000", 422),
        ("GET", "/v1/runs?after=%00", 422),
        ("GET", "/v1/runs?state=done", 422),
        ("GET", "/v1/runs/nobody", 404),
        ("GET", "/v1/runs/nobody/events", 404),
        ("GET", "/v1/events?after=-1", 422),
        ("GET", "/v1/events?after=99999999999999999999", 422),
        ("GET", "/v1/artifacts/..%2F..%2Fetc", 404),
        ("GET", "/v1/artifacts/words/model:99999999999999999999", 404),
        ("GET", "/v1/rows/words/model", 422),
        ("GET", "/v1/rows/words/rows?column=nothing", 422),
        ("GET", "/v1/documents/words/rows", 422),
        ("GET", "/v1/cost/nobody", 404),
        ("GET", "/v1/lineage/words/total?direction=sideways", 422),
        ("GET", "/v1/blast", 422),
        ("GET", "/v1/evidence/nothing", 404),
        ("GET", "/v1/jobs/nobody", 404),
        ("POST", "/v1/jobs/nobody/cancel", 404),
        ("POST", "/v1/sql", 415),
        ("DELETE", "/v1/runs", 405),
    ],
)
def test_what_is_wrong_is_said_in_the_envelope(served: Served, method: str, path: str, status: int) -> None:
    answer = httpx.request(method, served[1] + path)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
