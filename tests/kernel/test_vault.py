"""Sealing: what goes in comes out, and nothing else opens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.kernel.encryption.vault import Vault, opened_size, sealed_size
from pickaxe.kernel.errors import Corrupted

VAULT = Vault({1: b"k" * 32})
RENEWED = Vault({1: b"k" * 32, 2: b"l" * 32})
STRANGER = Vault({1: b"s" * 32})
CHUNK = 1 << 16
sizes = st.one_of(st.integers(0, 200), st.sampled_from([CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 3 * CHUNK + 7]))


def sealed(content: bytes, what: str = "a", vault: Vault = VAULT) -> bytes:
    return b"".join(vault.seal([content], what))


def opened(content: bytes, what: str = "a", vault: Vault = VAULT) -> bytes:
    return b"".join(vault.open([content], what))


@settings(max_examples=60)
@given(size=sizes, cuts=st.lists(st.integers(0, 4 * CHUNK), max_size=5), data=st.data())
def test_any_stream_comes_back_however_it_is_cut(size: int, cuts: list[int], data: st.DataObject) -> None:
    content = data.draw(st.binary(min_size=1, max_size=64)) * (size // 32 + 1)
    content = content[:size]
    size = len(content)
    places = sorted({0, *cuts})
    pieces = [content[start:end] for start, end in zip(places, [*places[1:], None], strict=True)]
    whole = b"".join(VAULT.seal(pieces, "x"))
    assert len(whole) == sealed_size(size)
    assert opened_size(len(whole)) == size
    chopped = [whole[start:end] for start, end in zip(places, [*places[1:], None], strict=True)]
    assert b"".join(VAULT.open(chopped, "x")) == content


@settings(max_examples=60)
@given(size=sizes, where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_one_flipped_bit_anywhere_is_found(size: int, where: float, bit: int) -> None:
    whole = bytearray(sealed(b"x" * size))
    whole[int(where * len(whole))] ^= 1 << bit
    with pytest.raises(Corrupted):
        opened(bytes(whole))


@pytest.mark.parametrize("size", [0, 1, CHUNK, CHUNK + 1, 3 * CHUNK])
def test_cutting_swapping_and_appending_are_found(size: int) -> None:
    whole = sealed(bytes(size))
    head, tagged = 44, CHUNK + 16
    for wrong in (whole[:-1], whole[:head], whole[: head + tagged], whole + b"\0", whole + whole[head:], b"", whole[:10]):
        if wrong != whole:
            with pytest.raises(Corrupted):
                opened(wrong)
    if size >= 2 * CHUNK:
        first, second, rest = whole[head : head + tagged], whole[head + tagged : head + 2 * tagged], whole[head + 2 * tagged :]
        with pytest.raises(Corrupted):
            opened(whole[:head] + second + first + rest)


def test_only_under_its_name_and_with_its_key() -> None:
    whole = sealed(b"content", "sha256/ab")
    for what, vault in (("sha256/cd", VAULT), ("sha256/ab", STRANGER)):
        with pytest.raises(Corrupted):
            opened(whole, what, vault)
    assert opened(whole, "sha256/ab", RENEWED) == b"content"
    with pytest.raises(Corrupted):
        opened(sealed(b"new", vault=RENEWED), vault=VAULT)


def test_the_same_content_never_looks_the_same_twice() -> None:
    assert sealed(b"x")[44:] != sealed(b"x")[44:]
    assert VAULT.seal_text("x", "c") != VAULT.seal_text("x", "c")


@given(text=st.text())
def test_documents_and_texts_come_back(text: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError:
        return
    assert VAULT.open_text(VAULT.seal_text(text, "c"), "c") == text
    assert RENEWED.open_text(VAULT.seal_text(text, "c"), "c") == text
    assert VAULT.open_name(VAULT.seal_name(text, "c"), "c") == text
    assert VAULT.seal_name(text, "c") == RENEWED.seal_name(text, "c"), "found again after a new data key"
    assert not text or VAULT.seal_name(text, "c") != VAULT.seal_name(text, "d")


@pytest.mark.parametrize(
    "wrong", ["", "x", "pxs1:", "pxs1:1:", "pxs1:9:AAAA", "pxs1:x:AAAA", "pxs1:1:####", "pxs1:1:AAAAAAAAAAAA"]
)
def test_what_is_no_sealed_text_is_refused(wrong: str) -> None:
    with pytest.raises(Corrupted):
        VAULT.open_text(wrong, "c")
    if wrong:
        with pytest.raises(Corrupted):
            VAULT.open_name(wrong, "c")


def test_names_tell_nothing_and_do_not_change() -> None:
    assert VAULT.name("a") == RENEWED.name("a") != VAULT.name("b")
    assert VAULT.name("a") != STRANGER.name("a")
