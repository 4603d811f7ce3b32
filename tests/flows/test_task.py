"""Task files: what is wrong is named with its place, before anything is written."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

import pickaxe
from pickaxe.flows.produce import produce
from pickaxe.flows.task import Task, name_from, with_settings
from pickaxe.kernel.errors import BadInput

GOOD = 'name = "mail"\ndata = "mail.csv"\n'


def load(folder: Path, text: str) -> Task:
    (folder / "task.toml").write_text(text, encoding="utf-8")
    return Task.load(folder / "task.toml")


def test_paths_are_relative_to_the_task_file(tmp_path: Path) -> None:
    task = load(tmp_path, GOOD + 'encoder = "models/small"\n')
    assert (task.data, task.encoder) == (str(tmp_path / "mail.csv"), str(tmp_path / "models" / "small"))
    assert load(tmp_path, 'name = "mail"\ndata = "demo:headlines"\n').data == "demo:headlines"


@pytest.mark.parametrize("name", ["headlines", "reuters"])
def test_the_shipped_tasks_are_valid(name: str) -> None:
    assert Task.shipped(name).name == name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (GOOD + "budget = 5\n", ("task.toml.budget", "is not known here", "more_labels")),
        (GOOD + "[label]\nmax_label = 5\n", ("task.toml.label.max_label", "is not known here; did you mean max_labels?")),
        (GOOD + '[teacher]\nepochs = "many"\n', ("task.toml.teacher.epochs", "'many'")),
        (GOOD + "rounds = 0\n", ("task.toml.rounds", "greater than or equal to 1", "got 0")),
        (GOOD + '[students]\nfamilies = ["tree"]\n', ("task.toml.students.families.0", "'tree'")),
        (GOOD + 'annotators = "simulated"\n', ("ingest.label", "simulated")),
        ('name = "a/b"\ndata = "mail.csv"\n', ("task.toml.name", "slash")),
        ('name = "mail"\n', ("task.toml.data", "is missing; it takes a text")),
        (GOOD + "[curate]\ntest_share = 0.9\ntraffic_share = 0.2\n", ("task.toml.curate", "below 1")),
    ],
)
def test_a_wrong_field_is_named(tmp_path: Path, text: str, said: tuple[str, ...]) -> None:
    with pytest.raises(BadInput) as caught:
        load(tmp_path, text)
    for part in said:
        assert part in str(caught.value)
    assert "correct or remove" in str(caught.value)


def test_what_is_not_toml_is_refused_with_the_line(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 2") as caught:
        load(tmp_path, 'name = "mail"\ndata = \n')
    assert "task.toml cannot be read as TOML" in caught.value.message
    (tmp_path / "latin.toml").write_bytes('name = "café"'.encode("latin-1"))
    with pytest.raises(BadInput, match=r"latin\.toml is not TOML"):
        Task.load(tmp_path / "latin.toml")


def test_a_missing_task_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no task file") as caught:
        Task.load(tmp_path / "nothing.toml")
    assert "--data FILE" in str(caught.value)


def test_missing_data_is_named_and_nothing_is_stored(tmp_path: Path) -> None:
    with pickaxe.open(tmp_path / "workspace") as workspace:
        with pytest.raises(BadInput, match=r"mail\.csv does not exist"):
            produce(load(tmp_path, GOOD + '[label]\nclasses = ["a", "b"]\n'), workspace)
        assert workspace.artifacts.list() == []
        assert workspace.runs.list() == []


@pytest.mark.parametrize(("label", "said"), [("", "classes"), ('classes = ["a", "b"]\nmax_labels = 0', "budget")])
def test_what_people_need_is_asked_for_before_anything_is_read(tmp_path: Path, label: str, said: str) -> None:
    (tmp_path / "mail.csv").write_text("body\nhello\n", encoding="utf-8")
    with pickaxe.open(tmp_path / "workspace") as workspace:
        with pytest.raises(BadInput, match=said):
            produce(load(tmp_path, f"{GOOD}[label]\n{label}\n"), workspace)
        assert workspace.artifacts.list() == []


def test_a_missing_column_is_named_with_those_that_there_are(tmp_path: Path) -> None:
    (tmp_path / "mail.csv").write_text("subject,sender\nhello,ann\n", encoding="utf-8")
    task = load(tmp_path, GOOD + '[ingest]\ntext = "body"\n[label]\nclasses = ["a", "b"]\n')
    with pickaxe.open(tmp_path / "workspace") as workspace:
        with pytest.raises(BadInput, match="body") as caught:
            produce(task, workspace)
        assert "subject" in str(caught.value)
        assert [item.name for item in workspace.artifacts.list()] == ["mail/source"]


def test_settings_on_the_command_line_are_those_of_a_task_file() -> None:
    task = Task.shipped("reuters")
    told = with_settings(
        task, ["students.latency_ms=2.5", "gate.metric=macro_f1", "traffic.home_requests = 7", 'curate.languages=["en"]']
    )
    assert (told.students.latency_ms, told.gate.metric, told.curate.languages) == (2.5, "macro_f1", ("en",))
    assert told.traffic is not None
    assert told.traffic.home_requests == 7
    assert told.label == task.label
    assert with_settings(task, []) == task


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("gate.max_ece", "cannot be read"),
        ("=1", "cannot be read"),
        ("gate.max_oce=1", "max_oce"),
        ("gate.max_ece=low", "max_ece"),
        ("name.first=1", "name has no settings"),
        ("nothing.at.all=1", "nothing"),
    ],
)
def test_a_setting_that_there_is_not_is_refused(setting: str, said: str) -> None:
    with pytest.raises(BadInput, match=said):
        with_settings(Task.shipped("reuters"), [setting])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("settings", "remedy"),
    [
        ('annotators = "file"', "times as many labelled rows"),
        ('[label]\nclasses = ["a", "b"]', "times as many rows and let people label more of them (--set test_labels=100)"),
        (
            '[label]\nclasses = ["a", "b"]\n[curate]\ntest_share = 0.8',
            "do: let people label more of them (--set test_labels=100)",
        ),
    ],
)
def test_too_few_test_rows_are_said_before_anybody_works_for_them(tmp_path: Path, settings: str, remedy: str) -> None:
    texts = [
        f"{colour} {thing}" for colour in ("red", "green", "blue", "black") for thing in ("car", "dog", "house", "tree", "sky")
    ]
    lines = [f"{text} {number},{'ab'[number % 2]}" for number, text in enumerate(texts * 7)]
    (tmp_path / "mail.csv").write_text("body,kind\n" + "\n".join(lines) + "\n", encoding="utf-8")
    task = load(tmp_path, f'{GOOD}test_labels = 50\n{settings}\n[ingest]\ntext = "body"\nlabel = "kind"\n')
    with pickaxe.open(tmp_path / "workspace") as workspace:
        with pytest.raises(BadInput, match="too few test rows") as caught:
            produce(task, workspace)
        assert remedy in str(caught.value)
        assert "--set gate.min_test_rows=" in str(caught.value)
        labelled, in_all, drawn = map(int, re.findall(r"(\d+)(?=: of|(?: rows left)|(?: were drawn))", caught.value.got or ""))
        curated = {name: workspace.artifact(f"mail/{name}").meta["rows"] for name in ("pool", "test", "traffic")}
        assert (in_all, drawn) == (sum(curated.values()), curated["test"])
        assert labelled <= drawn
        assert {run.name for run in workspace.runs.list()} == {"mail/ingest", "mail/curate"}


def test_the_toy_is_a_task_file_like_any_other() -> None:
    from tests.flows import tiny

    values = tiny.merged(tomllib.loads(tiny.TASK), {"traffic": None, "label": {"rounds": 3}})
    assert tomllib.loads(tiny.as_toml(values)) == values
    assert "traffic" not in values
    assert values["label"]["max_labels"] == 150


def test_titles_in_other_letters_make_tasks_of_different_names(tmp_path: Path) -> None:
    assert name_from("Störungen 2026") == "storungen-2026"
    complaints, orders = name_from("投诉"), name_from("工单")
    assert complaints != orders
    assert load(tmp_path, GOOD.replace("mail", orders, 1)).name == orders
