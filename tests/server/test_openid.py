"""Signing in with an OpenID provider: a real one on loopback, and ID tokens that must not be believed."""

from __future__ import annotations

import base64
import hashlib
import re
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from fastapi import FastAPI
from jwt.algorithms import RSAAlgorithm
from starlette.testclient import TestClient

import pickaxe
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, Role
from pickaxe.kernel.errors import BadInput, PickaxeError
from pickaxe.kernel.workspace import Workspace
from pickaxe.server.openid import OpenId, OpenIdConfig, _Flow
from pickaxe.server.up import whole_app

pytestmark = pytest.mark.slow

PEOPLE = {
    "eve": {"email": "eve@example.org", "email_verified": True},
    "mallory": {"email": "eve@example.org", "email_verified": False},
    "new": {"email": "new@example.org", "email_verified": True},
}


class Pkce:
    """WSGI layer that makes the provider hold a code to its challenge (RFC 7636, 4.6), which the package itself does not."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self.challenges: dict[str, str] = {}
        self.refused = 0

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/oauth2/authorize" and environ["REQUEST_METHOD"] == "POST":
            asked = parse_qs(environ["QUERY_STRING"])
            assert asked["code_challenge_method"] == ["S256"]

            def remember(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
                code = parse_qs(urlsplit(dict(headers).get("Location", "")).query).get("code")
                if code:
                    self.challenges[code[0]] = asked["code_challenge"][0]
                return start_response(status, headers, *rest)

            return self._app(environ, remember)
        if environ["PATH_INFO"] == "/oauth2/token":
            import io

            body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"]))
            environ["wsgi.input"] = io.BytesIO(body)
            form = parse_qs(body.decode())
            digest = hashlib.sha256(form.get("code_verifier", [""])[0].encode()).digest()
            if self.challenges.get(form["code"][0]) != base64.urlsafe_b64encode(digest).rstrip(b"=").decode():
                self.refused += 1
                start_response("400 Bad Request", [("Content-Type", "application/json")])
                return [b'{"error": "invalid_grant"}']
        return self._app(environ, start_response)


@pytest.fixture(scope="module")
def provider() -> Iterator[tuple[str, Pkce]]:
    mock, werkzeug_serving = pytest.importorskip("oidc_provider_mock"), pytest.importorskip("werkzeug.serving")
    users = [mock.User(sub=sub, claims=claims) for sub, claims in PEOPLE.items()]
    layer = Pkce(mock.app(require_nonce=True, user_claims=users))
    listener = werkzeug_serving.make_server("localhost", 0, layer, threaded=True)
    thread = threading.Thread(target=listener.serve_forever, daemon=True)
    thread.start()
    yield f"http://localhost:{listener.server_port}", layer
    listener.shutdown()
    thread.join(120)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        access = Access.of(workspace.catalog)
        access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password="a long password")
        access.add_person(LOCAL_TENANT, "eve@example.org", Role.LABELLER)
        yield workspace


@pytest.fixture
def app(workspace: Workspace, provider: tuple[str, Pkce], monkeypatch: pytest.MonkeyPatch) -> FastAPI:
    monkeypatch.setenv("PICKAXE_OIDC_ISSUER", provider[0])
    monkeypatch.setenv("PICKAXE_OIDC_CLIENT_ID", "pickaxe")
    monkeypatch.setenv("PICKAXE_OIDC_CLIENT_SECRET", "s3cret/with:signs")
    return whole_app(workspace)


def leave(client: TestClient, query: str = "") -> str:
    """The provider's address that a browser is sent to."""
    answer = client.get("/sign-in/openid" + query, follow_redirects=False)
    assert answer.status_code == 303, answer.text
    return answer.headers["location"]


def agree(where: str, sub: str) -> str:
    """What the person does at the provider: the address that it sends the browser back to."""
    assert httpx.get(where).status_code == 200
    back = httpx.post(where, data={"sub": sub})
    assert back.status_code == 302, back.text
    return back.headers["location"].removeprefix("http://localhost")


@contextmanager
def browser(app: FastAPI) -> Iterator[TestClient]:
    """Cookies of its own. What is signed in to here needs no models, so the application is not started."""
    yield TestClient(app, base_url="http://localhost", raise_server_exceptions=False)


def test_there_and_back(app: FastAPI, workspace: Workspace, provider: tuple[str, Pkce]) -> None:
    with browser(app) as client:
        assert "/sign-in/openid" in client.get("/sign-in").text
        where = leave(client, "?next=/v1/me")
        asked = parse_qs(urlsplit(where).query)
        assert asked["redirect_uri"] == ["http://localhost/sign-in/openid/done"]
        assert len({asked[name][0] for name in ("state", "nonce", "code_challenge")}) == 3
        answer = client.get(agree(where, "eve"), follow_redirects=False)
        assert (answer.status_code, answer.headers["location"]) == (303, "/v1/me"), answer.text
        me = client.get("/v1/me").json()["data"]
        assert (me["name"], me["role"], me["kind"]) == ("eve@example.org", "labeller", "person")
        client.cookies.clear()
        client.get(agree(leave(client), "eve"), follow_redirects=False)
        assert client.get("/v1/me").json()["data"]["principal_id"] == me["principal_id"], "tied to the identity by now"
    person = Access.of(workspace.catalog).person(LOCAL_TENANT, "eve@example.org")
    assert person.signs_in == "openid"
    assert provider[1].refused == 0
    assert [event.body["who"] for event in workspace.log.list(kind="audit") if event.name == "sign-in"] == ["eve@example.org"] * 2


@pytest.mark.parametrize("sub", ["mallory", "new", "somebody else"])
def test_who_was_not_added_does_not_get_in(app: FastAPI, workspace: Workspace, sub: str) -> None:
    """An e-mail address counts only when the provider has checked it."""
    with browser(app) as client:
        answer = client.get(agree(leave(client), sub), follow_redirects=False)
        assert answer.status_code == 403
        assert "ask an admin" in answer.text
        assert client.get("/v1/me").status_code == 401
    assert len(Access.of(workspace.catalog).people(LOCAL_TENANT)) == 3


def test_a_role_for_whoever_comes(
    workspace: Workspace, provider: tuple[str, Pkce], monkeypatch: pytest.MonkeyPatch, app: FastAPI
) -> None:
    monkeypatch.setenv("PICKAXE_OIDC_ROLE", "viewer")
    with browser(whole_app(workspace)) as client:
        client.get(agree(leave(client), "new"), follow_redirects=False)
        assert client.get("/v1/me").json()["data"]["role"] == "viewer"
        Access.of(workspace.catalog).change_person(LOCAL_TENANT, "new@example.org", disabled=True)
        assert client.get("/v1/me").status_code == 401
        assert client.get(agree(leave(client), "new"), follow_redirects=False).status_code == 403, "disabled people stay out"


def test_only_the_browser_that_left_comes_back(app: FastAPI, provider: tuple[str, Pkce]) -> None:
    with browser(app) as victim, browser(app) as attacker:
        back = agree(leave(attacker), "eve")
        assert victim.get(back, follow_redirects=False).status_code == 403, "no journey of its own"
        leave(victim)
        assert victim.get(back, follow_redirects=False).status_code == 403, "another journey"
        assert attacker.get(back + "&iss=https://evil.example", follow_redirects=False).status_code == 403
    with browser(app) as client, browser(app) as another:
        where = leave(client)
        state = parse_qs(urlsplit(where).query)["state"][0]
        stolen = parse_qs(urlsplit(agree(leave(another), "eve")).query)["code"][0]
        before = provider[1].refused
        answer = client.get(f"/sign-in/openid/done?code={stolen}&state={state}", follow_redirects=False)
        assert answer.status_code == 503, "the provider refused a code that was made for another verifier"
        assert provider[1].refused == before + 1
        assert client.get("/v1/me").status_code == 401


@pytest.mark.parametrize("query", ["", "?state=x", "?code=x", "?error=access_denied", "?code=x&state=", "?state=%00&code=%00"])
def test_half_an_answer(app: FastAPI, query: str) -> None:
    with browser(app) as client:
        assert client.get("/sign-in/openid/done" + query, follow_redirects=False).status_code == 403
        leave(client)
        assert client.get("/sign-in/openid/done" + query, follow_redirects=False).status_code == 403


@pytest.mark.parametrize(
    "target", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/x\r\ny"]
)
def test_nobody_is_sent_elsewhere(app: FastAPI, target: str) -> None:
    with browser(app) as client:
        where = leave(client, f"?next={httpx.QueryParams({'n': target})}".replace("n=", "", 1))
        assert client.get(agree(where, "eve"), follow_redirects=False).headers["location"] == "/"


def test_a_provider_that_is_away(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICKAXE_OIDC_ISSUER", "http://localhost:9")
    monkeypatch.setenv("PICKAXE_OIDC_CLIENT_ID", "pickaxe")
    with browser(whole_app(workspace)) as client:
        answer = client.get("/sign-in/openid", follow_redirects=False)
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "unavailable")


@pytest.mark.parametrize(
    "said",
    [
        {"PICKAXE_OIDC_ISSUER": "https://id.example"},
        {"PICKAXE_OIDC_ISSUER": "http://id.example", "PICKAXE_OIDC_CLIENT_ID": "x"},
        {"PICKAXE_OIDC_ISSUER": "file:///etc/passwd", "PICKAXE_OIDC_CLIENT_ID": "x"},
        {"PICKAXE_OIDC_ISSUER": "https://id.example", "PICKAXE_OIDC_CLIENT_ID": "x", "PICKAXE_OIDC_ROLE": "king"},
    ],
)
def test_configuration_that_is_refused(said: dict[str, str]) -> None:
    with pytest.raises(BadInput):
        OpenIdConfig.from_environment(said)
    assert OpenIdConfig.from_environment({}) is None


def test_a_workspace_opens_with_all_of_it_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = {"ISSUER": "https://id.example", "CLIENT_ID": "x", "CLIENT_SECRET": "y", "TENANT": "local", "ROLE": "viewer"}
    for name, value in said.items():
        monkeypatch.setenv(f"PICKAXE_OIDC_{name}", value)
    with pickaxe.open(tmp_path / "workspace"):
        found = OpenIdConfig.from_environment()
    assert found == OpenIdConfig("https://id.example", "x", "y", "local", Role.VIEWER)


def test_the_secret_is_not_shown() -> None:
    assert "s3cret" not in repr(OpenIdConfig("https://id.example", "pickaxe", "s3cret"))


# ID tokens, judged by themselves

ISSUER = "https://id.example"
OURS, ANOTHER = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
FLOW = _Flow("state", "nonce", "verifier", "/")
LATER = "later"
"""A claim's value: when the test runs, and over an hour."""


@pytest.fixture
def openid() -> OpenId:
    """A provider whose documents are known already, with one key."""
    openid = OpenId(OpenIdConfig(ISSUER, "pickaxe"))
    key = RSAAlgorithm.to_jwk(OURS.public_key(), as_dict=True) | {"kid": "1", "use": "sig"}
    now = time.monotonic()
    openid._documents[f"{ISSUER}/.well-known/openid-configuration"] = now, {"issuer": ISSUER, "jwks_uri": f"{ISSUER}/jwks"}
    openid._documents[f"{ISSUER}/jwks"] = now, {"keys": [key]}
    return openid


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {"iss": ISSUER, "aud": "pickaxe", "sub": "1", "iat": now, "exp": now + 300, "nonce": "nonce"} | changes
    return {name: value for name, value in told.items() if value is not None}


def test_a_sound_token(openid: OpenId) -> None:
    token = jwt.encode(claims(), OURS, algorithm="RS256", headers={"kid": "1"})
    assert openid._verified(token, FLOW)["sub"] == "1"
    several = jwt.encode(claims(aud=["pickaxe", "x"], azp="pickaxe"), OURS, algorithm="RS256", headers={"kid": "1"})
    assert openid._verified(several, FLOW)["sub"] == "1"


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"aud": "another"},
        {"aud": ["pickaxe", "another"]},
        {"aud": ["pickaxe", "another"], "azp": "another"},
        {"azp": "another"},
        {"exp": 1},
        {"exp": None},
        {"iat": None},
        {"iat": LATER},
        {"nbf": LATER},
        {"sub": None},
        {"nonce": None},
        {"nonce": "another"},
        {"aud": None},
    ],
    ids=str,
)
def test_tokens_made_for_something_else(openid: OpenId, changes: dict[str, Any]) -> None:
    changes = {name: int(time.time()) + 4000 if value is LATER else value for name, value in changes.items()}
    token = jwt.encode(claims(**changes), OURS, algorithm="RS256", headers={"kid": "1"})
    with pytest.raises(PickaxeError):
        openid._verified(token, FLOW)


def test_forged_tokens(openid: OpenId) -> None:
    public = OURS.public_key()
    modulus = RSAAlgorithm.to_jwk(public, as_dict=True)["n"]
    forged = [
        jwt.encode(claims(), ANOTHER, algorithm="RS256", headers={"kid": "1"}),
        jwt.encode(claims(), "", algorithm="none", headers={"kid": "1"}),
        jwt.encode(claims(), str(modulus) * 2, algorithm="HS256", headers={"kid": "1"}),
        re.sub(r"\.[^.]*$", ".", jwt.encode(claims(), OURS, algorithm="RS256", headers={"kid": "1"})),
        "a.b.c",
        "",
    ]
    for token in forged:
        with pytest.raises(PickaxeError):
            openid._verified(token, FLOW)
