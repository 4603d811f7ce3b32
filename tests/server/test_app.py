"""The HTTP surface: routes, envelope, OpenAPI, metrics."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from pickaxe.kernel.errors import StorageFull
from pickaxe.kernel.nouns import Route
from pickaxe.serve.config import ServeConfig
from pickaxe.server.app import create_app
from tests.serve.fakes import MemoryStore, write_model

PREDICT = "/v1/endpoints/headlines/predict"


def ask(client: TestClient, texts: list[str], **more: Any) -> dict[str, Any]:
    answer = client.post(PREDICT, json={"texts": texts}, **more)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_one_text(client: TestClient, store: MemoryStore) -> None:
    answer = client.post(PREDICT, json={"text": "Area man naps"})
    body = answer.json()
    assert answer.status_code == 200
    assert body["error"] is None
    assert body["data"]["model"] == {"ref": "headlines/student:1", "artifact_id": "art-headlines/student-1"}
    assert body["data"]["predictions"] == [
        {"label": "sarcastic", "confidence": 0.8, "probabilities": {"serious": 0.2, "sarcastic": 0.8}}
    ]
    assert answer.headers["x-trace-id"] == body["trace_id"] == body["data"]["trace_id"]
    assert answer.headers["traceparent"].split("-")[1] == body["trace_id"]
    (event,) = store.events(kind="trace", subject=body["trace_id"])
    assert event.body["texts"] == ["Area man naps"]
    assert event.body["span_id"] == body["data"]["span_id"] == answer.headers["traceparent"].split("-")[2]


def test_answers_under_one_trace_take_feedback_by_span(client: TestClient) -> None:
    header = {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01"}
    spans = [ask(client, [text], headers=header)["data"]["span_id"] for text in ("one", "two")]
    url = f"/v1/traces/{'a' * 32}/feedback"
    assert client.post(url, json={"label": "serious", "by": "ada"}).status_code == 422
    posted = client.post(url, json={"label": "serious", "by": "ada", "span_id": spans[1]})
    assert posted.json()["data"]["text"] == "two"


@pytest.mark.parametrize(
    "texts",
    [
        ["one", "two"],
        [f"text {number}" for number in range(1000)],
        ["", " ", "\t"],
        ["שלום עולם", "مرحبا بالعالم", "👩‍👩‍👧‍👦 area 🙈", "𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "é", "\u202etxet"],
        ["x" * 20_000],
    ],
    ids=["two", "thousand", "blank", "unicode", "long"],
)
def test_texts_come_back_in_order_and_unchanged(client: TestClient, texts: list[str]) -> None:
    body = ask(client, texts)
    assert len(body["data"]["predictions"]) == len(texts)
    trace = client.get(f"/v1/traces/{body['trace_id']}").json()["data"]
    assert trace["answers"][0]["texts"] == texts
    assert trace["answers"][0]["labels"] == [prediction["label"] for prediction in body["data"]["predictions"]]


def test_the_callers_trace_is_kept(client: TestClient) -> None:
    trace_id, span_id = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
    body = ask(client, ["x"], headers={"traceparent": f"00-{trace_id}-{span_id}-00"})
    assert body["trace_id"] == trace_id
    (answer,) = client.get(f"/v1/traces/{trace_id}").json()["data"]["answers"]
    assert answer["parent_id"] == span_id


def test_feedback_round_trip(client: TestClient) -> None:
    trace_id = ask(client, ["area", "b"])["trace_id"]
    posted = client.post(f"/v1/traces/{trace_id}/feedback", json={"label": "serious", "by": "ada", "comment": "no joke"})
    assert posted.status_code == 201
    assert posted.json()["data"] == {
        "trace_id": trace_id,
        "label": "serious",
        "by": "ada",
        "index": 0,
        "text": "area",
        "predicted": "sarcastic",
        "comment": "no joke",
    }
    (feedback,) = client.get(f"/v1/traces/{trace_id}").json()["data"]["feedback"]
    assert (feedback["label"], feedback["by"]) == ("serious", "ada")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"label": "serius", "by": "ada"}, 422),
        ({"label": "serious"}, 422),
        ({"label": "serious", "by": "ada", "index": 7}, 422),
        ({"label": "serious", "by": "ada", "index": True}, 422),
        ({"label": "serious", "by": "ada", "index": 2**70}, 422),
        ({"label": "serious", "by": "ada", "extra": 1}, 422),
        ({"label": "serious", "by": "ada", "span_id": "0" * 16}, 404),
    ],
)
def test_feedback_that_does_not_fit_is_refused(client: TestClient, store: MemoryStore, body: dict[str, Any], status: int) -> None:
    trace_id = ask(client, ["area"])["trace_id"]
    answer = client.post(f"/v1/traces/{trace_id}/feedback", json=body)
    assert (answer.status_code, answer.json()["data"]) == (status, None)
    assert store.events(kind="feedback") == []


def test_feedback_on_an_unknown_trace_is_404(client: TestClient) -> None:
    answer = client.post(f"/v1/traces/{'f' * 32}/feedback", json={"label": "serious", "by": "ada"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "not_found")


def test_traces_page_by_page(client: TestClient) -> None:
    asked = [ask(client, [f"{number}"])["trace_id"] for number in range(7)]
    seen, after = [], 0
    while after is not None:
        page = client.get("/v1/traces", params={"endpoint": "headlines", "after": after, "limit": 3}).json()["data"]
        seen += [trace["trace_id"] for trace in page["traces"]]
        after = page["next_after"]
    assert seen == asked
    newest = client.get("/v1/traces", params={"limit": 2, "newest_first": "true"}).json()["data"]["traces"]
    assert [trace["trace_id"] for trace in newest] == asked[:-3:-1]
    assert client.get("/v1/traces", params={"endpoint": "other"}).json()["data"] == {"traces": [], "next_after": None}


def test_endpoints(client: TestClient, store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    store.publish("broken", [Route(store.add_model(tmp_path / "empty", "x/y").id)])
    client.app.state.serving.problems.clear()  # type: ignore[attr-defined]
    assert client.post("/v1/endpoints/broken/predict", json={"text": "x"}).status_code == 503
    listed = {endpoint["name"]: endpoint for endpoint in client.get("/v1/endpoints").json()["data"]["items"]}
    assert listed["headlines"]["ready"]
    assert listed["headlines"]["models"][0]["classes"] == ["serious", "sarcastic"]
    assert listed["headlines"]["models"][0]["call_ms"] > 0
    assert not listed["broken"]["ready"]
    assert "not a model folder" in listed["broken"]["problem"]
    assert client.get("/v1/endpoints/headlines").json()["data"] == listed["headlines"]
    assert client.get("/v1/endpoints/nope").status_code == 404


def test_health(client: TestClient, store: MemoryStore, tmp_path: Path) -> None:
    answer = client.get("/healthz")
    health = answer.json()["data"]
    assert answer.status_code == 200
    assert (health["ready"], health["workspace"], health["endpoints"]) == (True, "demo", ["headlines"])
    (tmp_path / "empty").mkdir()
    store.publish("broken", [Route(store.add_model(tmp_path / "empty", "x/y").id)])
    client.post("/v1/endpoints/broken/predict", json={"text": "x"})
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()["data"]["ready"], list(answer.json()["data"]["problems"])) == (
        503,
        False,
        ["broken"],
    )


def samples(client: TestClient) -> dict[str, float]:
    lines = client.get("/metrics").text.splitlines()
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines if not line.startswith("#"))}


def test_metrics_count_what_happened(client: TestClient) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    ask(client, ["area", "area", "b"])
    client.post(PREDICT, json={"text": 1})
    client.post("/v1/endpoints/stranger/predict", json={"text": "x"})
    client.get("/nope")
    found = samples(client)
    route, tenant = 'route="/v1/endpoints/{name}/predict"', 'tenant="tenant-local"'
    assert found[f'pickaxe_requests_total{{endpoint="headlines",{route},status="200",{tenant}}}'] == 1
    assert found[f'pickaxe_requests_total{{endpoint="headlines",{route},status="422",{tenant}}}'] == 1
    assert found[f'pickaxe_requests_total{{endpoint="",{route},status="404",{tenant}}}'] == 1
    assert found[f'pickaxe_requests_total{{endpoint="",route="",status="404",{tenant}}}'] == 1
    model = 'artifact_id="art-headlines/student-1",endpoint="headlines"'
    assert found[f'pickaxe_texts_total{{{model},label="sarcastic",{tenant}}}'] == 2
    assert found[f'pickaxe_texts_total{{{model},label="serious",{tenant}}}'] == 1
    assert found[f"pickaxe_predict_seconds_count{{{model},{tenant}}}"] == 1
    assert found[f'pickaxe_request_seconds_count{{endpoint="headlines",{route},{tenant}}}'] == 2
    assert found[f'pickaxe_model{{{model},ref="headlines/student:1",{tenant}}}'] == 1
    assert found["pickaxe_in_flight"] == found["pickaxe_traces_waiting"] == 0
    assert any(name.startswith("pickaxe_build_info{version=") for name in found)
    assert len(list(text_string_to_metric_families(client.get("/metrics").text))) > 8


def test_strangers_names_do_not_grow_the_metrics(client: TestClient) -> None:
    client.get("/metrics")  # its own line appears with the second scrape
    before = len(samples(client))
    for number in range(20):
        client.post(f"/v1/endpoints/stranger-{number}/predict", json={"text": "x"})
        client.get(f"/stranger-{number}")
    assert len(samples(client)) - before < 60  # one series for each of the two routes, with its buckets


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nope", 404, "not_found"),
        ("GET", "/", 404, "not_found"),
        ("GET", PREDICT, 405, "method_not_allowed"),
        ("DELETE", "/v1/endpoints", 405, "method_not_allowed"),
        ("GET", "/v1/traces?after=-1", 422, "bad_input"),
        ("GET", f"/v1/traces?after={2**63}", 422, "bad_input"),
        ("GET", "/v1/traces?limit=100000", 422, "bad_input"),
        ("GET", "/v1/traces/xyz", 422, "bad_input"),
        ("GET", "/v1/endpoints/..%2f..%2fetc", 404, "not_found"),
        ("GET", "/v1/endpoints/%00", 404, "not_found"),
        ("GET", "/v1/endpoints/%ff%fe", 404, "not_found"),
        ("GET", "/v1/endpoints/Headlines", 404, "not_found"),
    ],
)
def test_every_refusal_is_in_the_envelope(client: TestClient, method: str, path: str, status: int, code: str) -> None:
    answer = client.request(method, path)
    body = answer.json()
    assert (answer.status_code, body["error"]["code"], body["data"]) == (status, code, None)
    assert re.fullmatch("[0-9a-f]{32}", body["trace_id"])
    assert answer.headers["x-trace-id"] == body["trace_id"]


def test_storage_that_is_full_is_507_and_no_answer_leaves(client: TestClient, store: MemoryStore) -> None:
    store.emit_error = StorageFull("no room left", remedy="free some disk space")
    answer = client.post(PREDICT, json={"text": "x"})
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["data"]) == (507, "storage_full", None)


def test_a_defect_of_ours_is_a_500_that_tells_nothing(
    client: TestClient, store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def explode() -> None:
        raise RuntimeError("the secret is swordfish")

    monkeypatch.setattr(store, "endpoints", explode)
    answer = client.get("/v1/endpoints")
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
    assert "swordfish" not in answer.text
    assert answer.headers["x-trace-id"] in answer.json()["error"]["remedy"]


@pytest.mark.slow
def test_busy_says_when_to_come_back(store: MemoryStore, tmp_path: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    store.publish("headlines", [Route(store.add_model(write_model(tmp_path / "slow", text_sleep=0.2)).id)])
    app = create_app(store, config=ServeConfig(max_in_flight=1))
    with TestClient(app, base_url="http://localhost") as client, ThreadPoolExecutor(3) as threads:
        answers = list(threads.map(lambda _: client.post(PREDICT, json={"texts": ["x"] * 15}), range(3)))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 200
    assert statuses[-1] == 503
    busy = next(answer for answer in answers if answer.status_code == 503)
    assert busy.headers["retry-after"] == "1"
    assert busy.json()["error"]["code"] == "busy"


def test_openapi_describes_what_the_routes_read_and_write(client: TestClient) -> None:
    schema = client.get("/openapi.json").json()
    predict = schema["paths"]["/v1/endpoints/{name}/predict"]["post"]
    assert set(predict["requestBody"]["content"]["application/json"]["schema"]["properties"]) == {"text", "texts"}
    answer = predict["responses"]["200"]["content"]["application/json"]["schema"]["$ref"].rpartition("/")[2]
    assert answer in schema["components"]["schemas"]
    feedback = schema["paths"]["/v1/traces/{trace_id}/feedback"]["post"]
    assert set(feedback["requestBody"]["content"]["application/json"]["schema"]["required"]) == {"label", "by"}
    assert "201" in feedback["responses"]


def test_answers_keep_the_schema_that_openapi_shows(client: TestClient) -> None:
    """The routes write their bodies without a second validation; here the two are compared."""
    from pickaxe.serve.http import Envelope, Failure
    from pickaxe.serve.routes import EndpointInfo, EndpointList, FeedbackInfo, TraceInfo, TraceList
    from pickaxe.server.app import Health
    from pickaxe.wire.predict import PredictData

    trace_id = ask(client, ["area"])["trace_id"]
    feedback = client.post(f"/v1/traces/{trace_id}/feedback", json={"label": "serious", "by": "ada"})
    answers = {
        PredictData: client.post(PREDICT, json={"text": "x"}),
        FeedbackInfo: feedback,
        TraceInfo: client.get(f"/v1/traces/{trace_id}"),
        TraceList: client.get("/v1/traces"),
        EndpointList: client.get("/v1/endpoints"),
        EndpointInfo: client.get("/v1/endpoints/headlines"),
        Health: client.get("/healthz"),
    }
    for form, answer in answers.items():
        Envelope[form].model_validate_json(answer.text, extra="forbid")  # type: ignore[valid-type]
    Failure.model_validate_json(client.get("/nope").text, extra="forbid")
