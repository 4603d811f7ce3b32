"""The terminal labeller, with keys pressed by the test."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
from rich.console import Console

from pickaxe.data.label.annotators import Annotation, Quit, Undo
from pickaxe.data.label.config import RoundsConfig
from pickaxe.data.label.rounds import label_rounds
from pickaxe.data.label.rows import AnnotationRow, latest
from pickaxe.data.label.select import Selector
from pickaxe.data.label.terminal import TerminalAnnotator
from pickaxe.kernel.errors import BadInput, Unavailable

CLASSES = ["negative", "positive"]


def sit_down(keys: str, **more: object) -> tuple[TerminalAnnotator, io.StringIO, list[tuple[str, Annotation]]]:
    screen, saved = io.StringIO(), list[tuple[str, Annotation]]()
    pressed: Iterator[str] = iter(keys)
    annotator = TerminalAnnotator(
        "anna",
        read_key=lambda: next(pressed),
        console=Console(file=screen, width=100, force_terminal=False),
        saved=lambda key, annotation: saved.append((key, annotation)),
        **more,  # type: ignore[arg-type]
    )
    return annotator, screen, saved


def test_a_key_is_an_answer_and_is_saved_at_once() -> None:
    annotator, screen, saved = sit_down("2")
    answer = annotator.annotate("k1", "what a lovely day", CLASSES)
    assert answer is not None
    assert (answer.label, answer.note) == ("positive", "")
    assert answer.seconds >= 0
    assert saved == [("k1", answer)]
    assert "what a lovely day" in screen.getvalue()
    assert "[1] negative   [2] positive" in screen.getvalue()


def test_commands() -> None:
    annotator, screen, saved = sit_down("x7gnodd\x7f!\r1" + "s" + "u" + "q", guidelines="Only sarcasm counts.")
    answer = annotator.annotate("k1", "text", CLASSES)
    assert answer is not None
    assert (answer.label, answer.note) == ("negative", "od!")
    assert screen.getvalue().count("Only sarcasm counts.") == 2
    assert "no such key: x" in screen.getvalue()
    assert annotator.annotate("k2", "text", CLASSES) is None
    with pytest.raises(Undo):
        annotator.annotate("k3", "text", CLASSES)
    with pytest.raises(Quit):
        annotator.annotate("k3", "text", CLASSES)
    assert len(saved) == 1


def test_after_an_undo_the_answer_before_is_said_and_its_note_holds() -> None:
    annotator, screen, saved = sit_down("nodd\r1" + "u" + "2")
    annotator.annotate("k1", "text", CLASSES)
    with pytest.raises(Undo):
        annotator.annotate("k2", "text", CLASSES)
    annotator.annotate("k1", "text", CLASSES)
    assert "before: negative (note: odd)" in screen.getvalue()
    assert [(label, note) for _, (label, _, note) in saved] == [("negative", "odd"), ("positive", "odd")]


def test_hostile_texts_do_not_reach_the_terminal() -> None:
    annotator, screen, _ = sit_down("1")
    annotator.annotate("k1", "\x1b[2J\x1b]0;owned\x07 [bold]not markup[/bold] \x9b31m שלום 🎉", CLASSES)
    shown = screen.getvalue()
    assert not {"\x1b", "\x07", "\x9b"} & set(shown)
    assert "[bold]not markup[/bold]" in shown
    assert "שלום" in shown
    assert "🎉" in shown


def test_without_a_terminal_it_says_so() -> None:
    with pytest.raises(Unavailable, match="needs a terminal") as caught:
        TerminalAnnotator("anna")
    assert "run the command in a terminal" in str(caught.value)


def test_more_classes_than_keys() -> None:
    annotator, _, _ = sit_down("")
    with pytest.raises(BadInput, match="31 classes are too many"):
        annotator.annotate("k", "text", [str(number) for number in range(31)])
    annotator, _, _ = sit_down("z")
    answer = annotator.annotate("k", "text", [str(number) for number in range(30)])
    assert answer is not None
    assert answer.label == "29"


def test_two_sittings_with_an_undo_make_one_campaign() -> None:
    texts = {f"k{at}": f"text number {at}" for at in range(20)}
    plan = RoundsConfig(max_labels=6, rounds=2)

    def sitting(keys: str, done: list[AnnotationRow]) -> list[AnnotationRow]:
        annotator, _, _ = sit_down(keys)
        return list(label_rounds(texts, [annotator], CLASSES, plan, Selector(texts), done=done))

    first = sitting("12u1q", [])
    second = sitting("1212", first)
    held = latest([*first, *second])
    assert len(held) == 6
    assert [row.label for row in held][:2] == ["negative", "negative"]
    assert not any(row.simulated for row in held)
