"""What the commands print about a line that ran to its end; all of it piped, so all of it plain."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from pickaxe.kernel.ledger.cost import as_money, cost_of
from pickaxe.kernel.workspace import Workspace
from tests.cli.conftest import Pickaxe, Said
from tests.faults.commands import start, until
from tests.flows.tiny import HOME, Finished

pytestmark = pytest.mark.slow


@pytest.fixture
def ask(pickaxe: Pickaxe, finished: Finished) -> Pickaxe:
    """A command about the finished workspace; it must end well and print plain text."""

    def run(*arguments: object) -> Said:
        said = pickaxe("-w", finished.workspace, *arguments)
        assert (said.code, said.err) == (0, "")
        assert "\x1b" not in said.out
        return said

    return run


def test_artifacts(ask: Pickaxe, finished: Finished) -> None:
    everything = ask("artifacts").out
    assert re.search(r"^ ?tiny/model:2 +model .*production", everything, re.MULTILINE)
    assert re.search(r"^ ?encoders/encoder:1 +encoder .*import", everything, re.MULTILINE)
    models = ask("artifacts", "topics/", "--kind", "model").out
    assert finished.second.model.digest[7:19] in models
    assert "tiny/" not in models


def test_runs_and_logs(ask: Pickaxe, finished: Finished) -> None:
    listed = ask("runs", "tiny/").out
    assert listed.count("succeeded") == len({record.run_id for record in finished.first.records if record.stage != "foreign"})
    teacher = finished.first.rounds[0].artifacts["teacher"].run_id
    by_id = ask("logs", teacher).out
    assert re.search(r"validation_accuracy = 0\.\d+", by_id)
    assert re.search(r"^\d\d:\d\d:\d\d 100% ", by_id, re.MULTILINE)
    assert ask("logs", "tiny/teacher").out != by_id, "a name means its newest run"


def test_endpoints(ask: Pickaxe) -> None:
    lines = [line.split() for line in ask("endpoints").out.splitlines()]
    assert ["tiny", "serving", "tiny/model:2", "1"] in lines
    assert ["topics", "serving", "topics/model:1", "1"] in lines


def test_rows(ask: Pickaxe) -> None:
    page = ask("rows", "tiny/gold:1", "--limit", "3").out
    assert [name in page for name in ("row_key", "annotators", "arm")] == [True] * 3
    keys = re.findall(r"^ ?([0-9a-f]{16}) ", page, re.MULTILINE)
    assert len(keys) == 3
    assert keys[2] in ask("rows", "tiny/gold:1", "--limit", "1", "--offset", "2").out
    assert "no rows" in ask("rows", "tiny/gold:1", "--offset", "100000").out


def test_rows_of_something_else(pickaxe: Pickaxe, finished: Finished) -> None:
    said = pickaxe("-w", finished.workspace, "rows", "tiny/model")
    assert said.code == 2
    assert "a table artifact" in said.err


def test_cost_prints_what_the_ledger_says(ask: Pickaxe, finished: Finished) -> None:
    said = ask("cost", "tiny/model@production").out
    with Workspace(finished.workspace, mode="r") as workspace:
        bill = cost_of(workspace, finished.first.model)
    assert f"full cost      {as_money(bill.full)}\n" in said
    assert f"marginal cost  {as_money(bill.marginal)}\n" in said
    assert "rule           whole: every upstream run in full, once" in said
    assert re.search(r"tiny/label .*s of people \(simulated\)", said)
    assert "shared with tiny/model:1" in said
    assert "encoders/encoder:1  imported" in said
    assert re.search(r"energy         \S+ \w*Wh, \S+ \w*gCO2 \((partly )?(measured|estimated)\), \S+ J a token\n", said)


def test_the_bill_adds_up(ask: Pickaxe) -> None:
    lines = [line for line in ask("bill").out.splitlines() if "pool-" in line]
    assert lines
    assert all(line.rstrip().endswith("yes") for line in lines)


def test_lineage_of_a_model_and_of_an_answer(ask: Pickaxe, finished: Finished) -> None:
    tree = ask("lineage", "tiny/model:1").out
    for ref in (
        "tiny/student:1",
        "tiny/teacher:1",
        "tiny/gold:1",
        "tiny/annotations:1",
        "tiny/rows:1",
        "tiny/source:1",
        "encoders/encoder:1",
    ):
        assert ref in tree
    assert len(re.findall(r"simulated-ann-[123] \d+ answers, simulated", tree)) == 3
    assert "tiny/model:2" not in tree
    with Workspace(finished.workspace, mode="r") as workspace:
        row = workspace.read_table(finished.first.rounds[1].artifacts["traffic_log"]).to_pylist()[0]
    answer = ask("lineage", row["trace_id"], "--evidence", "3").out
    assert answer.startswith(f"answer    {row['label']}  (")
    assert f"text      {row['text']}" in answer
    assert "model     tiny/model:2" in answer
    for part in answer.partition("evidence  the nearest of those that people labelled")[::2]:
        assert len(re.findall(r"^ *\d\.\d\d +[0-9a-f]{16}", part, re.MULTILINE)) == 3
    assert "made from" in answer
    assert re.search(r"simulated-user \d+ answers, simulated", answer), "the second model learned from corrections"


def test_blast(ask: Pickaxe) -> None:
    said = ask("blast", "tiny/teacher:1").out
    assert "endpoint  tiny\n" in said
    assert f"answers   {HOME + 60} by tiny/model:1\n" in said
    assert f"answers   {HOME + 60} by tiny/model:2\n" in said
    assert re.search(r"touched   \d+ artifacts, \d+ of them models, \d+ runs", said)
    assert re.search(r"rebuild   \$0\.\d+ estimated", said)
    assert "to do     replace what was wrong" in said
    by = ask("blast", "--by", "simulated-ann-1").out
    assert "endpoint  topics" in by
    assert "`--without simulated-ann-1`" in by


def test_a_produce_of_what_is_made_prints_table_bill_and_report(
    pickaxe: Pickaxe, finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    finished.copied(tmp_path / "workspace")
    said = pickaxe("-w", "workspace", "produce", finished.files.task)
    assert said.code == 0, said.err
    assert "\x1b" not in said.out
    stages = len(finished.first.records)
    assert said.out.count("cached") >= stages
    assert f"{stages} of {stages}" in said.out
    assert re.search(r"tiny/model:1 +\$\d", said.out)
    assert re.search(r"tiny/model:2 +\$\d", said.out)
    assert "report: tiny.html" in said.out
    page = Path("tiny.html").read_text(encoding="utf-8")
    assert "simulated" in page
    assert "<svg" in page


def test_a_failed_gate_has_its_own_exit_status(pickaxe: Pickaxe, finished: Finished, tmp_path: Path) -> None:
    workspace = finished.copied(tmp_path / "workspace")
    strict = finished.files.folder / "strict.toml"
    strict.write_text(finished.files.task.read_text().replace("[gate]\n", "[gate]\nmin_recall_per_class = 1.0\n"))
    said = pickaxe("-w", workspace, "produce", strict, "--report", tmp_path / "report.html")
    assert said.code == 9, said
    assert "min_recall_per_class" in said.err
    assert "what to do: min_recall_per_class: label more rows of that class" in said.err
    assert not (tmp_path / "report.html").exists()


def test_logs_are_followed_live_from_another_process(finished: Finished, tmp_path: Path) -> None:
    workspace = tmp_path / "workspace"
    shutil.copytree(finished.workspace, workspace)
    slow = finished.files.folder / "longer.toml"
    slow.write_text(finished.files.task.read_text().replace("epochs = 12", "epochs = 30\npatience = 30"))
    line = start(workspace, "produce", slow, "--report", tmp_path / "report.html")
    try:
        until(lambda: _newest(workspace) == ("tiny/teacher", "running"), "the teacher is being trained")
        follower = start(workspace, "logs", "-f", "tiny/teacher")
        assert follower.stdout is not None
        first = follower.stdout.readline()
        assert re.match(r"\d\d:\d\d:\d\d ", first)
        assert _newest(workspace) == ("tiny/teacher", "running"), "it said so while the run was under way"
        rest = follower.stdout.read()
        assert follower.wait(300) == 0
        assert "100% " in rest
        assert _newest(workspace) != ("tiny/teacher", "running"), "it goes on until the run ends"
    finally:
        line.kill()
        line.communicate()


def _newest(workspace: Path) -> tuple[str, str]:
    with Workspace(workspace, mode="r") as reader:
        run = reader.runs.list(limit=1)[0]
        return run.name, str(run.state)
