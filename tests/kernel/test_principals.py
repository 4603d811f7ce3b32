"""People and keys: what is kept of a secret, who keeps to which tenant, and what ends at once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from pickaxe.kernel.access.passwords import hashed, matches
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import LOCAL_TENANT, SCOPES, Role
from pickaxe.kernel.catalog.catalog import Catalog
from pickaxe.kernel.catalog.schema import keys, principals
from pickaxe.kernel.errors import BadInput, Conflict, NotFound
from pickaxe.kernel.system.clock import SECOND

PASSWORD = "correct horse battery"


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog(tmp_path / "catalog.db", writable=True)
    catalog.identity("local", "someone")
    yield catalog
    catalog.close()


@pytest.fixture
def access(catalog: Catalog) -> Access:
    access = Access.of(catalog)
    access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
    return access


def test_a_workspace_is_open_until_its_first_admin(catalog: Catalog) -> None:
    access = Access.of(catalog)
    assert access.open
    for role, password in ((Role.VIEWER, PASSWORD), (Role.ADMIN, None)):
        with pytest.raises(BadInput, match="first person"):
            access.add_person(LOCAL_TENANT, "ada", role, password=password)
    assert access.open
    access.add_person(LOCAL_TENANT, "ada", Role.ADMIN, password=PASSWORD)
    assert not access.open
    assert Access.of(catalog) is access


def test_whoever_opened_the_workspace_can_get_a_password(catalog: Catalog) -> None:
    access = Access.of(catalog)
    before = access.person(LOCAL_TENANT, "someone")
    after = access.add_person(LOCAL_TENANT, "someone", Role.ADMIN, password=PASSWORD)
    assert after.id == before.id
    assert after.signs_in == "password"
    with pytest.raises(Conflict):
        access.add_person(LOCAL_TENANT, "someone", Role.ADMIN, password=PASSWORD)
    assert catalog.identity("local", "someone")[1] == after.id


def test_opening_takes_the_account_that_has_the_name(access: Access, catalog: Catalog) -> None:
    assert catalog.identity("local", "ada")[1] == access.person(LOCAL_TENANT, "ada").id


@pytest.mark.parametrize("change", ["disable", "role"])
def test_the_last_admin_stays(access: Access, change: str) -> None:
    def go() -> None:
        if change == "disable":
            access.change_person(LOCAL_TENANT, "ada", disabled=True)
        else:
            access.change_person(LOCAL_TENANT, "ada", role=Role.EDITOR)

    with pytest.raises(Conflict, match="only admin"):
        go()
    assert access.person(LOCAL_TENANT, "ada").role is Role.ADMIN
    access.add_person(LOCAL_TENANT, "bob", Role.ADMIN, password=PASSWORD)
    go()


def test_signing_in(access: Access) -> None:
    signed_in = access.sign_in("local", "ada", PASSWORD)
    assert signed_in is not None
    caller, token = signed_in
    assert (caller.name, caller.kind, caller.scopes) == ("ada", "person", frozenset(SCOPES))
    assert access.keys.caller(token, kind="session") == caller
    assert access.keys.caller(token, kind="api") is None, "a session is no key"
    again = access.sign_in("local", "ada", PASSWORD)
    assert again is not None
    assert again[1] != token
    for tenant, name, password in (("local", "ada", "correct horse"), ("local", "bob", PASSWORD), ("else", "ada", PASSWORD)):
        assert access.sign_in(tenant, name, password) is None
    assert access.sign_in("local", "someone", "") is None, "an account without a password"


def test_a_new_password_ends_the_sessions(access: Access) -> None:
    signed_in = access.sign_in("local", "ada", PASSWORD)
    assert signed_in is not None
    access.change_person(LOCAL_TENANT, "ada", password=PASSWORD * 2)
    assert access.keys.caller(signed_in[1], kind="session") is None
    assert access.sign_in("local", "ada", PASSWORD) is None
    assert access.sign_in("local", "ada", PASSWORD * 2) is not None


def test_a_key_has_at_most_what_its_owner_has(access: Access) -> None:
    ed = access.add_person(LOCAL_TENANT, "ed", Role.EDITOR)
    with pytest.raises(BadInput, match="admin"):
        access.keys.create(LOCAL_TENANT, ed.id, "k", ["read", "admin"])
    key, token = access.keys.create(LOCAL_TENANT, ed.id, "k", ["read", "write"])
    caller = access.keys.caller(token, kind="api")
    assert caller is not None
    assert caller.scopes == {"read", "write"}
    assert caller.key_id == key.id
    access.change_person(LOCAL_TENANT, "ed", role=Role.VIEWER)
    now = access.keys.caller(token, kind="api")
    assert now is not None
    assert now.scopes == {"read"}, "at once"
    access.change_person(LOCAL_TENANT, "ed", disabled=True)
    assert access.keys.caller(token, kind="api") is None
    with pytest.raises(Conflict):
        access.keys.create(LOCAL_TENANT, ed.id, "k", ["read"])
    assert access.change_person(LOCAL_TENANT, "ed", disabled=False).disabled_at is None
    assert access.keys.caller(token, kind="api") is None, "what ended stays ended"
    assert access.keys.create(LOCAL_TENANT, ed.id, "k", ["read"])[0].revoked_at is None


@pytest.mark.slow
def test_revoked_and_expired(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = access.person(LOCAL_TENANT, "ada")
    key, token = access.keys.create(LOCAL_TENANT, ada.id, "k", ["read"])
    assert access.keys.caller(token, kind="api")
    assert access.keys.remembers(token)
    access.keys.revoke(LOCAL_TENANT, key.id)
    assert access.keys.caller(token, kind="api") is None
    assert access.keys.list(LOCAL_TENANT)[0].revoked_at is not None
    _, brief = access.keys.create(LOCAL_TENANT, ada.id, "brief", ["read"], lasts=timedelta(hours=1))
    assert access.keys.caller(brief, kind="api")
    an_hour_passes(access, monkeypatch)
    assert access.keys.caller(brief, kind="api") is None


def an_hour_passes(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = access.keys._catalog.clock
    later = clock.now_ns() + 3600 * SECOND
    monkeypatch.setattr(clock, "now_ns", lambda: later)


def test_keys_of_one_person_have_an_end(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pickaxe.kernel.access.keys.MOST_KEYS", 2)
    ada, bob = (
        access.person(LOCAL_TENANT, "ada").id,
        access.add_person(LOCAL_TENANT, "bob", Role.VIEWER, password=PASSWORD).id,
    )
    made = [access.keys.create(LOCAL_TENANT, ada, "k", ["read"])[0] for _ in range(2)]
    with pytest.raises(Conflict, match="ada has 2 keys already"):
        access.keys.create(LOCAL_TENANT, ada, "k", ["read"])
    access.keys.create(LOCAL_TENANT, bob, "k", ["read"])
    access.sign_in("local", "ada", PASSWORD)
    access.keys.revoke(LOCAL_TENANT, made[0].id)
    access.keys.create(LOCAL_TENANT, ada, "k", ["read"], lasts=timedelta(hours=1))
    with pytest.raises(Conflict):
        access.keys.create(LOCAL_TENANT, ada, "k", ["read"])
    an_hour_passes(access, monkeypatch)
    access.keys.create(LOCAL_TENANT, ada, "k", ["read"])


def test_a_lookup_overtaken_by_a_revocation_is_not_remembered(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    ada = access.person(LOCAL_TENANT, "ada")
    key, token = access.keys.create(LOCAL_TENANT, ada.id, "k", ["read"])
    look_up = access.keys._look_up

    def overtaken(*arguments: str) -> object:
        found = look_up(*arguments)
        access.keys.revoke(LOCAL_TENANT, key.id)
        return found

    monkeypatch.setattr(access.keys, "_look_up", overtaken)
    access.keys.caller(token, kind="api")
    monkeypatch.undo()
    assert access.keys.caller(token, kind="api") is None


@pytest.mark.parametrize(
    "token", ["", "pickaxe", "pickaxe_0_x", "pickaxe_0123456789abcdef_" + "A" * 43, "x" * 100_000, "pickaxe_é_\0", "' OR 1=1 --"]
)
def test_what_is_no_key_opens_nothing(access: Access, token: str) -> None:
    assert access.keys.caller(token, kind="api") is None


def test_half_a_secret_opens_nothing(access: Access) -> None:
    ada = access.person(LOCAL_TENANT, "ada")
    _, token = access.keys.create(LOCAL_TENANT, ada.id, "k", ["read"])
    _, other = access.keys.create(LOCAL_TENANT, ada.id, "k", ["read"])
    mixed = token[: len("pickaxe_0123456789abcdef")] + other[len("pickaxe_0123456789abcdef") :]
    for wrong in (mixed, token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A", token.upper()):
        assert access.keys.caller(wrong, kind="api") is None


def test_secrets_are_kept_as_hashes_only(access: Access, catalog: Catalog, tmp_path: Path) -> None:
    ada = access.person(LOCAL_TENANT, "ada")
    key, token = access.keys.create(LOCAL_TENANT, ada.id, "k", ["read"])
    signed_in = access.sign_in("local", "ada", PASSWORD)
    assert signed_in is not None
    with catalog.read() as connection:
        row = connection.execute(sa.select(keys).where(keys.c.id == key.id)).one()
        stored = connection.execute(sa.select(principals.c.secret).where(principals.c.id == ada.id)).scalar_one()
    assert row.hash == hashlib.sha256(token.encode()).hexdigest()
    assert stored.startswith("scrypt$5$8$3$")
    catalog.close()
    everything = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert key.id.encode() in everything
    for secret in (token, token.rpartition("_")[2][:20], signed_in[1], PASSWORD):
        assert secret.encode() not in everything


@pytest.mark.usefixtures("passwords_at_full_cost")
def test_passwords() -> None:
    stored = hashed(PASSWORD)
    assert stored.startswith("scrypt$15$8$3$")
    assert stored != hashed(PASSWORD), "salted"
    assert matches(PASSWORD, stored)
    assert not matches(PASSWORD + "!", stored)
    assert not matches("", None)
    composed, decomposed = "Zür" + "i" * 12, "Zu\u0308r" + "i" * 12
    assert matches(decomposed, hashed(composed)), "the same letters"
    for bad in ("", "short", "x" * 300):
        with pytest.raises(BadInput) as refused:
            hashed(bad)
        assert bad == "" or bad not in str(refused.value)


def test_an_unknown_name_takes_the_time_of_a_wrong_password(access: Access, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, scrypt = list[dict[str, int]](), hashlib.scrypt

    def counted(text: bytes, *, salt: bytes, **cost: int) -> bytes:
        asked.append(cost)
        return scrypt(text, salt=salt, **cost)

    monkeypatch.setattr(hashlib, "scrypt", counted)
    for name in ("ada", "nobody"):
        assert access.sign_in("local", name, "not the password") is None
    known, unknown = asked
    assert known == unknown, "once each, and at the same cost"


def test_a_tenant_sees_its_own(access: Access) -> None:
    acme = access.add_tenant("acme", admin="ada", password=PASSWORD)
    there = access.person(acme.id, "ada")
    key, token = access.keys.create(acme.id, there.id, "k", ["admin"])
    here = access.person(LOCAL_TENANT, "ada")
    assert there.id != here.id
    assert [person.name for person in access.people(acme.id)] == ["ada"]
    assert access.keys.list(LOCAL_TENANT) == []
    with pytest.raises(NotFound):
        access.keys.revoke(LOCAL_TENANT, key.id)
    with pytest.raises(NotFound):
        access.keys.create(LOCAL_TENANT, there.id, "k", ["read"])
    with pytest.raises(NotFound):
        access.change_person(LOCAL_TENANT, there.id, role=Role.VIEWER)
    with pytest.raises(Conflict):
        access.change_person(acme.id, "ada", disabled=True)
    caller = access.keys.caller(token, kind="api")
    assert caller is not None
    assert caller.tenant_id == acme.id


@pytest.mark.parametrize("name", ["", "A", "a b", "-a", "a-", "a/b", "a" * 64, "é", "a\n", "../x"])
def test_names_that_no_tenant_has(access: Access, name: str) -> None:
    with pytest.raises(BadInput):
        access.add_tenant(name, admin="ada", password=PASSWORD)


@pytest.mark.parametrize("name", ["", " a", "a\n", "a\0", "x" * 121, "principal-local-ada", "\u202eada"])
def test_names_that_no_person_has(access: Access, name: str) -> None:
    with pytest.raises(BadInput):
        access.add_person(LOCAL_TENANT, name, Role.VIEWER)


def test_an_invited_person_is_tied_to_an_identity_once(access: Access) -> None:
    access.add_person(LOCAL_TENANT, "eve@example.org", Role.LABELLER)
    assert not access.invited(LOCAL_TENANT, "ada", "https://id.example 1"), "who has a password was not invited"
    assert not access.invited(LOCAL_TENANT, "someone", "https://id.example 1"), "nor was whoever opened the workspace"
    assert access.invited(LOCAL_TENANT, "eve@example.org", "https://id.example 1")
    assert not access.invited(LOCAL_TENANT, "eve@example.org", "https://id.example 2")
    signed_in = access.sign_in_elsewhere("https://id.example 1")
    assert signed_in is not None
    assert signed_in[0].role is Role.LABELLER
    assert access.sign_in_elsewhere("https://id.example 2") is None
