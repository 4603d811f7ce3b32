"""Signing in with an OpenID provider: authorization code with PKCE (OpenID Connect Core 1.0; RFC 7636, 9207, 9700).

What has to be remembered between leaving for the provider and coming back (state, nonce, verifier) lies in a cookie of the
browser that left: no server keeps it, so any of several may see the return.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode, urlsplit

import httpx
import jwt
from fastapi import APIRouter, Request
from starlette.responses import RedirectResponse, Response

from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import Caller, Role
from pickaxe.kernel.errors import BadInput, Conflict, PickaxeError, Unavailable
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.access import needs
from pickaxe.serve.errors import Forbidden
from pickaxe.server.authenticate import Cookies

_ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
_FLOW_SECONDS = 600
_KEPT_SECONDS = 3600.0
_LEEWAY_SECONDS = 60
_TOO_SOON_SECONDS = 10.0
"""Between two looks at the provider's keys: a token with an unknown key must not make us ask at every request."""


@dataclass(frozen=True)
class OpenIdConfig:
    """What an administrator says of the provider.

    Attributes:
        issuer: its address; discovery is at ``/.well-known/openid-configuration`` below it.
        tenant: the name of the tenant that its people belong to.
        role: the role of somebody who comes for the first time; None: only people added beforehand, by e-mail, get in.
    """

    issuer: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    tenant: str = "local"
    role: Role | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> OpenIdConfig | None:
        """PICKAXE_OIDC_ISSUER, _CLIENT_ID, _CLIENT_SECRET, _TENANT, _ROLE; None without an issuer. Raises `BadInput`."""
        environment = os.environ if environment is None else environment
        said = {name: environment.get(f"PICKAXE_OIDC_{name.upper()}") or None for name in cls.__dataclass_fields__}
        issuer, client_id, role = said["issuer"], said["client_id"], said["role"]
        if issuer is None:
            return None
        if client_id is None:
            raise BadInput(
                "PICKAXE_OIDC_ISSUER is set without PICKAXE_OIDC_CLIENT_ID", remedy="register Pickaxe with the provider"
            )
        if role is not None and role not in tuple(Role):
            raise BadInput(f"PICKAXE_OIDC_ROLE is not usable: {role!r:.40}", expected=", ".join(Role))
        _safe(issuer, "PICKAXE_OIDC_ISSUER")
        return cls(issuer.rstrip("/"), client_id, said["client_secret"], said["tenant"] or "local", Role(role) if role else None)


class OpenId:
    """One provider: its documents, kept for an hour, and the journey there and back. Calls block: run them in a thread."""

    def __init__(self, config: OpenIdConfig) -> None:
        self.config = config
        self._lock = threading.Lock()
        self._documents: dict[str, tuple[float, dict[str, Any]]] = {}
        self._failed: dict[str, tuple[float, Unavailable]] = {}

    def router(self, workspace: Workspace, cookies: Cookies) -> APIRouter:
        from pickaxe.server.sign_in import local_path, refused, welcome

        def return_to(request: Request) -> str:
            # What a proxy that speaks TLS asks comes here as http.
            here = request.base_url.replace(scheme="https") if cookies.secure else request.base_url
            return f"{here}sign-in/openid/done"

        routes = APIRouter(include_in_schema=False)
        name = "__Host-pickaxe-openid" if cookies.secure else "pickaxe-openid"

        @routes.get("/sign-in/openid", dependencies=[needs(None)])
        def leave(request: Request) -> Response:
            flow = _Flow.new(local_path(request.query_params.get("next")))
            response = RedirectResponse(self._departure(flow, return_to(request)), status_code=303)
            response.set_cookie(
                name, flow.written(), max_age=_FLOW_SECONDS, path="/", secure=cookies.secure, httponly=True, samesite="lax"
            )
            return response

        @routes.get("/sign-in/openid/done", dependencies=[needs(None)])
        def come_back(request: Request) -> Response:
            try:
                flow = _Flow.read(request.cookies.get(name))
                claims = self._claims(dict(request.query_params), flow, return_to(request))
                caller, token = self._person(Access.of(workspace.catalog), claims)
            except PickaxeError as error:
                response = refused(request, error)
            else:
                response = welcome(request, workspace, cookies, caller, token, local_path(flow.next_path))
            response.delete_cookie(name, path="/", secure=cookies.secure, httponly=True, samesite="lax")
            return response

        return routes

    def _departure(self, flow: _Flow, return_to: str) -> str:
        challenge = base64.urlsafe_b64encode(hashlib.sha256(flow.verifier.encode()).digest()).rstrip(b"=").decode()
        asked = {
            "response_type": "code",
            "client_id": self.config.client_id,
            "redirect_uri": return_to,
            "scope": "openid email profile",
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
        }
        where = self._endpoint("authorization_endpoint")
        return f"{where}{'&' if '?' in where else '?'}{urlencode(asked)}"

    def _claims(self, answer: Mapping[str, str], flow: _Flow, return_to: str) -> dict[str, Any]:
        """The ID token's claims. Raises `Forbidden` unless it was made for us, for this journey, by this provider, and just now."""
        if not hmac.compare_digest(answer.get("state", "").encode(), flow.state.encode()):
            raise Forbidden("this sign-in was not begun in this browser, or too long ago", remedy="sign in again: /sign-in")
        if "error" in answer or "code" not in answer:
            raise Forbidden("the provider did not sign you in", got=answer.get("error", "no code")[:100])
        if "iss" in answer and answer["iss"].rstrip("/") != self.config.issuer:
            raise Forbidden("another provider answered", expected=self.config.issuer, got=answer["iss"][:200])
        form = {
            "grant_type": "authorization_code",
            "code": answer["code"],
            "redirect_uri": return_to,
            "client_id": self.config.client_id,
            "code_verifier": flow.verifier,
        }
        # Credentials in the header are form-encoded first (RFC 6749, 2.3.1).
        secret = self.config.client_secret
        auth = (quote(self.config.client_id, safe=""), quote(secret, safe="")) if secret else None
        token = self._fetched("POST", self._endpoint("token_endpoint"), data=form, auth=auth).get("id_token")
        if not isinstance(token, str):
            raise Forbidden("the provider gave no ID token")
        return self._verified(token, flow)

    def _verified(self, token: str, flow: _Flow) -> dict[str, Any]:
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                self._key(header),
                algorithms=_ALGORITHMS,
                audience=self.config.client_id,
                issuer=self._discovered()["issuer"],
                leeway=_LEEWAY_SECONDS,
                options={"require": ["exp", "iat", "sub", "aud", "iss"]},
            )
        except jwt.PyJWTError as error:
            raise Forbidden("the provider's ID token is not valid", got=f"{type(error).__name__}: {error!s:.100}") from None
        if not hmac.compare_digest(str(claims.get("nonce", "")).encode(), flow.nonce.encode()):
            raise Forbidden("the ID token was made for another sign-in")
        several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
        if claims.get("azp", None if several else self.config.client_id) != self.config.client_id:
            raise Forbidden("the ID token was made for another client")
        return claims

    def _key(self, header: Mapping[str, Any]) -> jwt.PyJWK:
        where = self._endpoint("jwks_uri")
        for newer_than in (_KEPT_SECONDS, _TOO_SOON_SECONDS):  # the provider may have changed its keys a moment ago
            keys = jwt.PyJWKSet.from_dict(self._document(where, newer_than)).keys
            fitting = [key for key in keys if "kid" not in header or key.key_id == header["kid"]]
            if len(fitting) == 1 and fitting[0].key_type != "oct":
                return fitting[0]
        raise Forbidden("the ID token is signed with a key that the provider does not publish")

    def _person(self, access: Access, claims: Mapping[str, Any]) -> tuple[Caller, str]:
        identity = f"{self.config.issuer} {claims['sub']}"
        if found := access.sign_in_elsewhere(identity):
            return found
        tenant = access.tenant(self.config.tenant)
        email = str(claims["email"]) if claims.get("email") and claims.get("email_verified") is True else None
        if email and access.invited(tenant.id, email, identity):
            return _in(access.sign_in_elsewhere(identity))
        if self.config.role is None:
            raise _unknown(email)
        try:
            access.add_person(tenant.id, email or str(claims["sub"]), self.config.role, identity=identity)
        except (Conflict, BadInput):
            raise _unknown(email) from None
        return _in(access.sign_in_elsewhere(identity))

    def _endpoint(self, name: str) -> str:
        found = self._discovered().get(name)
        if not isinstance(found, str):
            raise Unavailable(f"the OpenID provider {self.config.issuer} does not say where its {name} is")
        return _safe(found, name)

    def _discovered(self) -> dict[str, Any]:
        found = self._document(f"{self.config.issuer}/.well-known/openid-configuration", _KEPT_SECONDS)
        if str(found.get("issuer", "")).rstrip("/") != self.config.issuer:
            raise Unavailable("the OpenID provider calls itself by another name", expected=self.config.issuer)
        return found

    def _document(self, url: str, newer_than: float) -> dict[str, Any]:
        with self._lock:
            read, known = self._documents.get(url, (0.0, {}))
            if not known or time.monotonic() - read > newer_than:
                known = self._looked_up(url)
                self._documents[url] = time.monotonic(), known
            return known

    def _looked_up(self, url: str) -> dict[str, Any]:
        """A provider that does not answer is not waited for by everybody in turn: strangers may ask for it."""
        failed_at, error = self._failed.get(url, (0.0, None))
        if error is not None and time.monotonic() - failed_at < _TOO_SOON_SECONDS:
            raise error
        try:
            return self._fetched("GET", url)
        except Unavailable as error:
            self._failed[url] = time.monotonic(), error
            raise

    def _fetched(self, method: str, url: str, **rest: Any) -> dict[str, Any]:
        try:
            answer = httpx.request(
                method, url, timeout=10, follow_redirects=False, headers={"accept": "application/json"}, **rest
            )
            answer.raise_for_status()
            document = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            # The error's text may hold what was sent; its type is enough.
            raise Unavailable("the OpenID provider cannot be reached", got=type(error).__name__, remedy="try again") from None
        if not isinstance(document, dict):
            raise Unavailable("the OpenID provider answered with something else", expected="a JSON object")
        return document


@dataclass(frozen=True)
class _Flow:
    """One journey to the provider and back."""

    state: str
    nonce: str
    verifier: str
    next_path: str

    @classmethod
    def new(cls, next_path: str) -> _Flow:
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return cls(state, nonce, verifier, next_path)

    @classmethod
    def read(cls, written: str | None) -> _Flow:
        parts = (written or "").split(".")
        if len(parts) != 4 or not all(parts[:3]):
            raise Forbidden("this sign-in was not begun in this browser, or too long ago", remedy="sign in again: /sign-in")
        return cls(parts[0], parts[1], parts[2], unquote(parts[3]))

    def written(self) -> str:
        return ".".join((self.state, self.nonce, self.verifier, quote(self.next_path, safe="").replace(".", "%2E")))


def _safe(url: str, what: str) -> str:
    """`url` when nobody on the way can read or change what is sent there. Raises `BadInput`."""
    parts = urlsplit(url)
    here = parts.hostname in ("localhost", "127.0.0.1", "::1")
    if parts.scheme != "https" and not (parts.scheme == "http" and here):
        raise BadInput(f"{what} is not usable", expected="an https address", got=url[:200])
    return url


def _in(signed_in: tuple[Caller, str] | None) -> tuple[Caller, str]:
    if signed_in is None:
        raise _unknown(None)
    return signed_in


def _unknown(email: str | None) -> Forbidden:
    return Forbidden(
        f"nobody here knows {email or 'you':.120}",
        remedy="ask an admin to add you: pickaxe user add YOUR-E-MAIL --role ROLE, without a password",
    )
