"""Signing in from outside a browser: a session by password, long enough to make a key with it, which is kept (`kept_keys`)."""

from __future__ import annotations

import getpass
import platform
from contextlib import suppress
from typing import Any

import httpx

from pickaxe.kernel.errors import Conflict, NotFound, PickaxeError
from pickaxe.serve.access import Unauthorised
from pickaxe.serve.errors import Busy
from pickaxe.wire.native.api import Api
from pickaxe.wire.native.kept_keys import keep_key, kept_key


def opened(url: str, key: str | None) -> Api:
    """A connection that the server lets in: with `key`, else with the kept one, else as whoever needs none.

    A kept key may have ended, or be another server's that was at this address: then it is not what decides.
    """
    shown = [key] if key else [kept_key(url), None]
    for place, secret in enumerate(shown, start=1):
        api = Api(url, secret)
        try:
            api.get("/v1/published")
        except Unauthorised:
            api.close()
            if place == len(shown):
                raise
        except BaseException:
            api.close()
            raise
        else:
            return api
    raise AssertionError("the last one returns or raises")


def sign_in(url: str, name: str, password: str, *, tenant: str, days: float) -> str:
    """Make a key of whoever has that password, with all that they may do, and keep it; returns their name.

    Raises `Unauthorised` for a wrong password, `Busy` after too many of them, `Conflict` where nobody has to sign in, and
    `Unavailable` when no server answers.
    """
    session = Api(url, None, origin=str(httpx.URL(url).copy_with(path="")).rstrip("/"))
    try:
        _begin_session(session, tenant, name, password)
        title = f"command line of {getpass.getuser()} at {platform.node()}"[:100]
        scopes = session.get("/v1/me")["scopes"]
        secret = session.post("/v1/keys", {"name": title, "scopes": scopes, "days": days})["secret"]
    finally:
        with suppress(PickaxeError):
            session.form("/sign-out", {})
        session.close()
    return sign_in_with_key(url, secret)


def sign_in_with_key(url: str, secret: str) -> str:
    """Keep a key that opens something, and end the one that was kept before; returns whose it is. Raises what the server says of it."""
    before, who = kept_key(url), _told(url, secret, "GET", "/v1/me")["name"]
    keep_key(url, secret)
    if before is not None and before != secret:
        _revoke(url, before)
    return who


def sign_out(url: str) -> None:
    """Revoke the key that is kept for the server, and forget it. Raises `NotFound` when there is none.

    When the server cannot be reached, the key is forgotten all the same, and the error says which key to revoke.
    """
    secret = kept_key(url)
    if secret is None:
        raise NotFound(f"nobody is signed in to {url} here", remedy=f"pickaxe sign-in {url}")
    keep_key(url, None)
    try:
        _revoke(url, secret)
    except PickaxeError as error:
        error.message = f"the key is forgotten here, but could not be revoked: {error.message}"
        error.remedy = f"revoke it in the console's settings: {_key_id(secret)}"
        raise


def _begin_session(session: Api, tenant: str, name: str, password: str) -> None:
    with suppress(Unauthorised):
        who = session.get("/v1/me")
        raise Conflict(
            f"nobody has to sign in to {session.url}: you act there as {who['name']} already",
            remedy="to have people sign in, add an admin: pickaxe user add NAME --role admin",
        )
    answer = session.form("/sign-in", {"tenant": tenant, "name": name, "password": password})
    if answer.status_code == 429:
        raise Busy("too many tries to sign in", retry_after=int(answer.headers.get("retry-after", "60")), remedy="wait a while")
    if answer.status_code != 303:
        raise Unauthorised(
            f"{session.url} knows nobody called {name!r:.80} of the tenant {tenant!r:.80} with that password",
            remedy="check all three; who signs in with an OpenID provider uses a key: pickaxe sign-in URL --key",
        )


def _revoke(url: str, secret: str) -> None:
    """A key that opens nothing any more is as good as revoked."""
    with suppress(Unauthorised):
        _told(url, secret, "DELETE", f"/v1/keys/{_key_id(secret)}")


def _told(url: str, secret: str, method: str, path: str) -> Any:
    api = Api(url, secret)
    try:
        return api.delete(path) if method == "DELETE" else api.get(path)
    finally:
        api.close()


def _key_id(secret: str) -> str:
    """The public part of a key: ``pickaxe_<id>_<secret>``."""
    return f"key-{secret.split('_')[1]}" if secret.count("_") > 1 else "key-unknown"
