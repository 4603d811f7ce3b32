"""Where newcomers stumbled: options that are not heard, missing files, quitting, where the workspace is named."""

from __future__ import annotations

import io
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest
from rich.console import Console

from pickaxe.cli.live import TerminalLine, print_stages
from pickaxe.flows.line import StageRecord
from pickaxe.flows.task import Task
from pickaxe.kernel.errors import BadInput, WriterBusy
from pickaxe.kernel.workspace import Workspace
from tests.cli.conftest import Pickaxe
from tests.flows.tiny import Files, as_toml, merged, read

TEST_LABELS, POOL_LABELS = 50, 10


@pytest.mark.parametrize(
    "option",
    [
        ("--labels", "50"),
        ("--text", "body"),
        ("--label", "kind"),
        ("--classes", "a,b"),
        ("--name", "x"),
        ("--encoder", "e"),
        ("--encoding", "cp1252"),
        ("--delimiter", "tab"),
    ],
)
def test_an_option_that_a_task_file_would_silence_is_refused(pickaxe: Pickaxe, tmp_path: Path, option: tuple[str, str]) -> None:
    said = pickaxe("-w", tmp_path / "workspace", "produce", tmp_path / "task.toml", *option)
    assert said.code == 2
    assert f"{option[0]} goes with --data" in said.err
    assert not (tmp_path / "workspace").exists()


@pytest.mark.parametrize("name", ["foo", "../tasks/headlines", "headlines,/etc/passwd", ""])
def test_only_shipped_tasks_are_in_the_demo(pickaxe: Pickaxe, tmp_path: Path, name: str) -> None:
    said = pickaxe("-w", tmp_path / "workspace", "demo", "--tasks", name)
    assert said.code == 2
    assert "one of headlines, reuters" in said.err
    assert not (tmp_path / "workspace").exists()
    with pytest.raises(BadInput):
        Task.shipped(name)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (("--data", "nope.csv", "--label", "kind"), "nope.csv does not exist"),
        (("--data", "mail.csv", "--label", "kind", "--encoder", "no/encoder"), "no/encoder does not exist"),
        (("--data", "mail.csv"), "--label COLUMN"),
    ],
)
def test_what_is_missing_is_said_before_there_is_a_workspace(
    pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...], named: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("mail.csv").write_text("body,kind\nhello,a\n")
    said = pickaxe("-w", "workspace", "produce", *options)
    assert said.code == 2
    assert named in said.err
    assert not Path("workspace").exists()


def test_the_path_of_foreign_traffic_is_relative_to_the_task_file(tmp_path: Path) -> None:
    file = tmp_path / "task.toml"
    file.write_text('name = "mail"\ndata = "demo:headlines"\n[traffic]\nforeign = "other.csv"\n')
    task = Task.load(file)
    assert task.traffic is not None
    assert task.traffic.foreign == str(tmp_path / "other.csv")
    assert task.missing() == [str(tmp_path / "other.csv")]
    file.write_text('name = "mail"\ndata = "demo:headlines"\n[traffic]\nforeign = "demo:reuters"\n')
    assert Task.load(file).missing() == []


def test_the_workspace_may_be_named_after_the_command(pickaxe: Pickaxe, tmp_path: Path) -> None:
    with Workspace(tmp_path / "here"):
        pass
    assert "no runs yet" in pickaxe("runs", "-w", tmp_path / "here").out
    said = pickaxe("-w", tmp_path / "here", "runs", "--workspace", tmp_path / "elsewhere")
    assert said.code == 3
    assert "elsewhere" in said.err
    assert "no runs yet" in pickaxe("-w", tmp_path / "here", "runs").out


def test_an_address_on_the_command_line_goes_before_a_folder_of_the_environment(
    pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PICKAXE_WORKSPACE", str(tmp_path / "here"))
    nobody = "http://127.0.0.1:9"
    assert nobody in pickaxe("--url", nobody, "runs").err
    assert "two places" in pickaxe("--url", nobody, "-w", tmp_path / "here", "runs").err


def test_the_closing_table_totals_what_was_spent_now() -> None:
    screen = io.StringIO()
    records = [
        StageRecord("mail", 1, "ingest", 10, 0.1, 2_000_000_000, True, "run-1"),
        StageRecord("mail", 1, "label", 10, 4.0, 3_000_000_000, False, "run-2"),
    ]
    print_stages(Console(file=screen, width=120), records)
    (last,) = [line for line in screen.getvalue().splitlines() if "spent now" in line]
    assert "$3.00" in last
    assert "1 of 2" in last


def test_a_download_is_announced_once_and_bars_rest_while_somebody_labels() -> None:
    screen = io.StringIO()
    with TerminalLine(Console(file=screen, width=100, force_terminal=True)) as live:
        live.stage_started("mail", 1, "select")
        live.asking()
        before = screen.getvalue()
        live.stage_started("mail", 1, "select")
        assert len(screen.getvalue()) > len(before), "bars are back with the next stage"
        for done in (0.0, 40e6, 84e6, 84e6, 84e6):
            live.fetching("minilm", done, 84e6)
    assert screen.getvalue().count("getting demo data minilm (84 MB)") == 1


def test_a_note_is_not_broken_into_lines() -> None:
    screen, text = io.StringIO(), "mail: 12 rows set aside (empty text: 12); to see them: pickaxe rows mail/quarantine"
    with TerminalLine(Console(file=screen, width=60)) as live:
        live.note(text)
    assert screen.getvalue() == text + "\n"


@pytest.mark.slow
def test_quitting_ends_the_command_and_the_same_one_goes_on(
    pickaxe: Pickaxe, files: Files, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task, workspace = tmp_path / "people.toml", tmp_path / "workspace"
    values = {"name": "people", "annotators": "people", "test_labels": TEST_LABELS, "traffic": None, "ingest": {"label": None}}
    values["gate"] = {"min_test_rows": TEST_LABELS}
    budget = {"classes": ["bad", "good"], "max_labels": POOL_LABELS, "rounds": 1}
    task.write_text(as_toml(merged(read(files.task), values | {"label": budget})), encoding="utf-8")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)

    def press(keys: str) -> None:
        pressed: Iterator[str] = iter(keys)
        monkeypatch.setattr("pickaxe.data.label.terminal._getchar", lambda: next(pressed))

    press("1q")
    said = pickaxe("-w", workspace, "label", task)
    assert said.code == 8, said
    assert "1 of 50 answers (test sample) on record" in said.err
    assert "run the same command again" in said.err
    assert "test sample · 1 of 50" in said.out
    assert "test sample · 2 of 50" in said.out
    assert "pool ·" not in said.out

    press("1" * (TEST_LABELS - 1) + "12u2q")
    said = pickaxe("-w", workspace, "produce", task, "--report", tmp_path / "report.html")
    assert said.code == 8, said
    assert "2 of 10 answers (pool) on record" in said.err
    assert said.out.count("pool · 2 of 10") == 2, "after the undo the same text comes again"
    with Workspace(workspace, mode="r") as reader:
        assert reader.runs.list(prefix="people/teacher") == []
        assert reader.runs.list(prefix="people/adjudicate") == []
        events = reader.events(kind="annotation")
    assert len(events) == TEST_LABELS + 3
    assert events[-1].body["label"] == "good"

    press("12" * 4)
    said = pickaxe("-w", workspace, "label", task)
    assert said.code == 0, said.err
    assert "11 answers on record" in said.out, "10 and the one that was corrected"


def test_how_a_file_is_read_is_said_and_told_otherwise(pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mail.csv").write_bytes("Mails of March\ntext;kind\nle café est fermé;urgent\nà bientôt;calm\n".encode("cp1252"))
    monkeypatch.chdir(tmp_path)
    asked = ("produce", "--data", "mail.csv", "--text", "text", "--label", "kind", "--encoder", str(tmp_path), "--dry-run")
    said = pickaxe(*asked)
    assert said.code == 0, said.err
    assert "mail.csv is read as cp1252, which is a guess" in said.err
    assert "lines above the header that are left out: 1" in said.err
    given = pickaxe(*asked, "--encoding", "latin-1", "--delimiter", ";")
    assert "is read as" not in given.err
    assert given.code == 0, given.err
    wrong = pickaxe(*asked, "--encoding", "utff-8")
    assert (wrong.code, "did you mean 'utf-8'" in wrong.err) == (2, True)


def test_a_forecast_before_the_first_line_is_no_mistake(
    pickaxe: Pickaxe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mail.csv").write_text("text,kind\nprinter on fire,urgent\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    said = pickaxe("produce", "--data", "mail.csv", "--text", "text", "--label", "kind", "--encoder", str(tmp_path), "--dry-run")
    assert said.code == 0, said.err
    assert "The first run is the first measurement" in said.out
    assert not (tmp_path / ".pickaxe").exists()


def test_the_machines_own_user_was_not_added_in_1970(pickaxe: Pickaxe, tmp_path: Path) -> None:
    with Workspace(tmp_path / "w"):
        pass
    said = pickaxe("-w", tmp_path / "w", "user", "list")
    assert "admin" in said.out
    assert "1970" not in said.out


def test_a_folder_that_a_server_has_says_how_to_go_through_it(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w") as workspace:
        workspace.stores.announce("http://127.0.0.1:8080")
        with pytest.raises(WriterBusy, match=r'pickaxe\.connect\("http://127\.0\.0\.1:8080"\)'):
            Workspace(tmp_path / "w")


def _typed(command: str, tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """As a shell does it, with `pickaxe` for the command."""
    program = f"{shlex.quote(sys.executable)} -c 'from pickaxe.cli import main; main()'"
    told = {**os.environ, "PICKAXE_WORKSPACE": str(tmp_path / "here"), **environment}
    line = command.replace("pickaxe", program, 1)
    return subprocess.run(["sh", "-c", line], env=told, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.slow
def test_output_that_nobody_takes_is_told_and_no_traceback(tmp_path: Path) -> None:
    with Workspace(tmp_path / "here") as workspace:
        workspace.import_json({}, "desk/notes")
    if Path("/dev/full").exists():
        full = _typed("pickaxe artifacts > /dev/full", tmp_path)
        assert full.returncode == 5
        assert full.stderr.startswith("error: ")
        assert "Traceback" not in full.stderr
    closed = _typed("pickaxe artifacts >&- <&-", tmp_path)
    assert (closed.returncode, closed.stderr) == (0, "")


@pytest.mark.slow
def test_letters_that_a_terminal_does_not_know_are_written_as_numbers(tmp_path: Path) -> None:
    table = pa.table({"row_key": ["a"], "text": ["Bj\u00f6rn 🙂"]})
    with Workspace(tmp_path / "here") as workspace:
        workspace.import_table(table, "desk/rows")
    said = _typed("pickaxe rows desk/rows", tmp_path, PYTHONIOENCODING="ascii")
    assert said.returncode == 0, said.stderr
    assert "Bj\\xf6rn \\U0001f642" in said.stdout


@pytest.mark.slow
def test_a_question_without_an_answer_is_no_interruption(tmp_path: Path) -> None:
    said = _typed("pickaxe sign-in http://127.0.0.1:9 < /dev/null", tmp_path)
    assert said.returncode == 2
    assert "standard input has ended" in said.stderr
