"""Help, wrong calls and empty workspaces: quick, and each with a way out."""

from __future__ import annotations

from pathlib import Path

import click
import pytest

from pickaxe import __version__
from pickaxe.cli import group
from pickaxe.kernel.workspace import Workspace
from tests.cli.conftest import Pickaxe

COMMANDS = (
    *("demo", "produce", "label", "up", "jobs", "cancel", "artifacts", "runs", "logs", "endpoints"),
    *("cost", "bill", "price", "plan", "lineage", "blast", "rows", "sign-in", "sign-out", "user", "api-key", "tenant"),
    *("audit", "key", "backup", "restore", "doctor", "move"),
)


@pytest.fixture
def empty(tmp_path: Path) -> Path:
    with Workspace(tmp_path / "workspace"):
        pass
    return tmp_path / "workspace"


def test_the_group_lists_every_command(pickaxe: Pickaxe) -> None:
    said = pickaxe("--help")
    assert said.code == 0
    listed = [
        line.split()[0] for line in said.out.partition("Commands:")[2].splitlines() if line.startswith("  ") and line[2] != " "
    ]
    assert tuple(listed) == COMMANDS
    assert pickaxe("--version").out.strip() == f"pickaxe, version {__version__}"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(pickaxe: Pickaxe, command: str) -> None:
    for flag in ("--help", "-h"):
        said = pickaxe(command, flag)
        assert said.code == 0
        assert said.out.startswith(f"Usage: pickaxe {command} ")
        assert "\x1b" not in said.out
        assert said.err == ""
    described = said.out.split("\n\n")[1].strip()
    assert len(described) > 20


def test_the_status_a_command_ends_with_is_that_of_the_process(pickaxe: Pickaxe, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command()
    @click.pass_context
    def ending(ctx: click.Context) -> None:
        ctx.exit(3)

    monkeypatch.setattr(group, "get_command", lambda *_: ending)
    assert pickaxe("runs").code == 3


@pytest.mark.parametrize(
    ("wrong", "hint"),
    [
        ("prodcue", "Did you mean 'produce'?"),
        ("artefacts", "Did you mean 'artifacts'?"),
        ("zzz", "--help"),
        ("login", "pickaxe sign-in"),
        ("serve", "pickaxe up"),
        ("help", "pickaxe --help"),
        ("sql", ".sql("),
    ],
)
def test_an_unknown_command(pickaxe: Pickaxe, wrong: str, hint: str) -> None:
    said = pickaxe(wrong)
    assert said.code == 2
    assert f"no command {wrong!r}" in said.err
    assert hint in said.err


@pytest.mark.parametrize(
    "command",
    [
        ("artifacts",),
        ("runs",),
        ("endpoints",),
        ("bill",),
        ("price",),
        ("cost", "a"),
        ("lineage", "a"),
        ("blast", "a"),
        ("rows", "a"),
        ("logs", "a"),
    ],
)
def test_reading_where_no_workspace_is_makes_none(pickaxe: Pickaxe, tmp_path: Path, command: tuple[str, ...]) -> None:
    said = pickaxe("-w", tmp_path / "nowhere", *command)
    assert said.code == 3, said.err
    assert said.err.startswith("error: ")
    assert "nowhere" in said.err
    assert "what to do" in said.err
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    ("command", "named"),
    [
        (("cost", "mail/model"), "mail/model"),
        (("cost", "mail/model@production"), "mail/model@production"),
        (("rows", "mail/rows:7"), "mail/rows:7"),
        (("lineage", "mail/model"), "mail/model"),
        (("lineage", "0" * 32), "0" * 32),
        (("blast", "mail/model"), "mail/model"),
        (("blast", "0123456789abcdef"), "0123456789abcdef"),
        (("blast", "--by", "nobody"), "nobody"),
        (("logs", "mail/ingest"), "mail/ingest"),
        (("logs", "run-0"), "run-0"),
    ],
)
def test_what_is_not_there_is_named(pickaxe: Pickaxe, empty: Path, command: tuple[str, ...], named: str) -> None:
    said = pickaxe("-w", empty, *command)
    assert said.code == 3, said.err
    assert named in said.err
    assert said.err.startswith("error: ")
    assert said.out == ""


def test_an_empty_workspace_is_not_an_error(pickaxe: Pickaxe, empty: Path) -> None:
    for command, words in (("artifacts", "no artifacts yet"), ("runs", "no runs yet"), ("endpoints", "nothing is served yet")):
        said = pickaxe("-w", empty, command)
        assert (said.code, said.err) == (0, "")
        assert words in said.out
    assert "adds up" in pickaxe("-w", empty, "bill").out


@pytest.mark.parametrize("arguments", [(), ("task.toml", "--data", "mail.csv")])
def test_produce_wants_a_task_or_data_and_not_both(pickaxe: Pickaxe, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    said = pickaxe("-w", tmp_path / "workspace", "produce", *arguments)
    assert said.code == 2
    assert "a task file, or --data FILE (not both)" in said.err
    assert not (tmp_path / "workspace").exists()


def test_wrong_calls_of_other_commands(pickaxe: Pickaxe, empty: Path) -> None:
    assert "a row key, an artifact, or --by" in pickaxe("-w", empty, "blast").err
    assert pickaxe("-w", empty, "cost").code == 2
    assert pickaxe("-w", empty, "rows", "a", "--limit", "many").code == 2
    said = pickaxe("-w", empty, "price", "gold_bars", "--set", "1")
    assert said.code == 2
    assert "no meter 'gold_bars'" in said.err
    assert "cpu" in said.err
    said = pickaxe("-w", empty, "up", "--host", "0.0.0.0")
    assert said.code == 4
    assert "nobody can sign in" in said.err
    assert "pickaxe user add" in said.err
    assert pickaxe("-w", empty, "up", "--host", "example.org").code == 2


def test_a_price_holds_from_now_on(pickaxe: Pickaxe, empty: Path) -> None:
    assert "$0.0400" in pickaxe("-w", empty, "price", "cpu").out
    said = pickaxe("-w", empty, "price", "cpu", "--set", "0.08", "--source", "our cluster")
    assert said.code == 0, said.err
    assert "our cluster" in said.out
    lines = [line for line in pickaxe("-w", empty, "price", "cpu").out.splitlines() if line.startswith((" cpu", "cpu"))]
    assert len(lines) == 2
    assert "the beginning" in lines[0]
    assert "$0.0800" in lines[1]


def test_tokens_cost_nothing_until_somebody_says_so(pickaxe: Pickaxe, empty: Path) -> None:
    assert "no such meter" in pickaxe("-w", empty, "price", "tokens").out
    said = pickaxe("-w", empty, "price", "tokens", "--set", "0.10", "--source", "a bought encoder")
    assert said.code == 0, said.err
    assert "1,000,000" in said.out
    assert "$0.1000" in said.out


def test_an_unknown_setting_is_refused(pickaxe: Pickaxe, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PICKAXE_CORE", "2")
    said = pickaxe("-w", empty, "runs")
    assert said.code == 2
    assert "did you mean PICKAXE_CORES?" in said.err


@pytest.mark.parametrize("name", ["nothing.toml", "folder"])
def test_a_task_file_that_cannot_be_read(pickaxe: Pickaxe, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    said = pickaxe("-w", tmp_path / "workspace", "produce", tmp_path / name)
    assert said.code == 2
    assert name in said.err
    assert not (tmp_path / "workspace").exists()
