"""Bad input at the door: a clear 4xx in the envelope, never a 5xx, and nothing recorded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from pickaxe.kernel.nouns import Route
from pickaxe.serve.config import ServeConfig
from pickaxe.server.app import create_app
from tests.serve.fakes import MemoryStore, write_model

PREDICT = "/v1/endpoints/headlines/predict"
JSON = {"content-type": "application/json"}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'"text"',
        b"{}",
        b'{"text": null}',
        b'{"text": 1}',
        b'{"text": NaN}',
        b'{"text": 1e999}',
        b'{"text": ' + b"9" * 5000 + b"}",
        b'{"text": ["x"]}',
        b'{"texts": "x"}',
        b'{"texts": []}',
        b'{"texts": ["x", null]}',
        b'{"texts": {"0": "x"}}',
        b'{"text": "x", "texts": ["x"]}',
        b'{"text": "x", "more": 1}',
        b'{"text": "\\ud800"}',
        b'{"text": "\\ud800\\u0041"}',
        b'{"text": "a\\u0000b"}',
        b'{"text": "a\x00b"}',
        b'{"text": "\xff\xfe"}',
        b'{"text": "\xed\xa0\x80"}',
        b'\xef\xbb\xbf{"text": "x"}',
        '{"text": "x"}'.encode("utf-16"),
        b"[" * 100_000,
        b'{"text":' * 50_000,
        b'{"texts":' + b"[" * 900 + b"]" * 900 + b"}",
        json.dumps({"texts": ["x"] * 1001}).encode(),
        json.dumps({"text": "x" * 20_001}).encode(),
    ],
    ids=range(31),
)
def test_hostile_bodies(client: TestClient, store: MemoryStore, body: bytes) -> None:
    answer = client.post(PREDICT, content=body, headers=JSON)
    assert answer.status_code == 422, answer.text
    assert answer.json()["error"]["code"] == "bad_input"
    assert answer.json()["error"]["message"]
    assert len(answer.content) < 20_000  # a refusal does not echo what was sent
    assert store.events(kind="trace") == []


@pytest.mark.parametrize(
    "declared", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_a_form_of_another_page_is_not_json(client: TestClient, declared: str | None) -> None:
    headers = {} if declared is None else {"content-type": declared}
    answer = client.post(PREDICT, content=b'{"text": "x"}', headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media")


def test_a_charset_parameter_is_fine(client: TestClient) -> None:
    assert (
        client.post(PREDICT, content=b'{"text": "x"}', headers={"content-type": "Application/JSON; charset=utf-8"}).status_code
        == 200
    )


@pytest.mark.parametrize("chunked", [False, True])
def test_too_large_a_body_is_413(store: MemoryStore, chunked: bool) -> None:
    with TestClient(create_app(store, config=ServeConfig(max_body_bytes=2000)), base_url="http://localhost") as client:
        parts = [b'{"text": "'] + [b"x" * 100] * 30 + [b'"}']
        answer = client.post(PREDICT, content=iter(parts) if chunked else b"".join(parts), headers=JSON)
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "too_large")
        assert client.post(PREDICT, json={"text": "x"}).status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8080",
        "",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "[::2]",
        "[",
        "@localhost",
        "localhost:80@evil.example",
        "localhost:x",
        "localhost/",
        "[::1]evil.example",
    ],
)
def test_a_page_that_rebinds_its_name_to_us_gets_nothing(client: TestClient, host: str) -> None:
    for method, path in (("GET", "/v1/traces"), ("GET", "/healthz"), ("POST", PREDICT)):
        answer = client.request(method, path, headers={"host": host})
        assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080"])
def test_local_names_are_answered(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://localhost:9999", "https://localhost.evil.example", ""])
def test_another_origin_may_not_write(client: TestClient, store: MemoryStore, origin: str) -> None:
    answer = client.post(PREDICT, json={"text": "x"}, headers={"origin": origin})
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "forbidden")
    assert store.events(kind="trace") == []


def test_our_own_origin_may_write(client: TestClient) -> None:
    assert client.post(PREDICT, json={"text": "x"}, headers={"origin": "http://localhost"}).status_code == 200


# Anything that JSON can say, and much of what it cannot.
_JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters())
    | st.text(st.characters(categories=["Cs", "Cc"])),
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(st.sampled_from(["text", "texts", "label", "by", "index", "é"]) | st.text(), inner, max_size=5)
    ),
    max_leaves=12,
)
_BODIES = st.one_of(
    st.binary(max_size=300),
    _JSON.map(lambda document: json.dumps(document).encode()),
    st.fixed_dictionaries({}, optional={"text": _JSON, "texts": st.lists(_JSON, max_size=4), "x": _JSON}).map(
        lambda d: json.dumps(d).encode()
    ),
)
_FEEDBACK = st.fixed_dictionaries(
    {"label": st.sampled_from(["serious", "sarcastic"]) | _JSON, "by": st.just("ada") | _JSON},
    optional={"index": st.integers(-2, 2) | _JSON, "comment": _JSON, "span_id": _JSON},
).map(lambda document: json.dumps(document).encode())


@pytest.fixture(scope="module")
def long_lived(tmp_path_factory: pytest.TempPathFactory) -> Any:
    store = MemoryStore()
    model: Path = write_model(tmp_path_factory.mktemp("model") / "m")
    store.publish("headlines", [Route(store.add_model(model).id)])
    with TestClient(create_app(store), base_url="http://localhost", raise_server_exceptions=False) as client:
        yield client


def in_envelope(answer: Any) -> None:
    assert answer.status_code < 500, answer.text
    body = answer.json()
    assert set(body) == {"data", "error", "trace_id"}
    assert (body["error"] is None) == (answer.status_code < 300)
    assert (body["data"] is None) == (answer.status_code >= 300)


@given(body=_BODIES)
@settings(max_examples=150)
def test_no_body_makes_predict_fail(long_lived: TestClient, body: bytes) -> None:
    in_envelope(long_lived.post(PREDICT, content=body, headers=JSON))


@pytest.mark.slow
@given(body=_BODIES | _FEEDBACK)
@settings(max_examples=100)
def test_no_body_makes_feedback_fail(long_lived: TestClient, body: bytes) -> None:
    trace_id = "ab" * 16
    if long_lived.get(f"/v1/traces/{trace_id}").status_code == 404:
        long_lived.post(PREDICT, json={"text": "x"}, headers={"traceparent": f"00-{trace_id}-{'c' * 16}-01"})
    in_envelope(long_lived.post(f"/v1/traces/{trace_id}/feedback", content=body, headers=JSON))


@given(path=st.text(min_size=1, max_size=60), query=st.text(max_size=40), traceparent=st.binary(max_size=80))
@settings(max_examples=100)
def test_no_address_makes_the_server_fail(long_lived: TestClient, path: str, query: str, traceparent: bytes) -> None:
    from urllib.parse import quote

    header = traceparent.translate(None, b"\r\n\0")
    for prefix in ("/v1/traces/", "/v1/endpoints/"):
        url = prefix + quote(path, safe="/%", errors="replace") + "?after=" + quote(query, errors="replace")
        answer = long_lived.get(url, headers=[(b"traceparent", header)])
        if answer.status_code not in (301, 302, 307, 308):  # a trailing slash is sent to the address without it
            in_envelope(answer)
