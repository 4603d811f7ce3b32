"""An error sends its reader where they can go: a command at a shell, a route in a program, a link on a page."""

from __future__ import annotations

import copy
import re

import pytest

from pickaxe.kernel.errors import NotFound, from_dict
from pickaxe.kernel.listed import LISTED
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps


def test_each_reader_is_sent_where_they_can_go() -> None:
    error = NotFound("no run 'x'", see="runs")
    assert "what to do: list them: pickaxe runs" in str(error)
    assert error.as_dict()["remedy"] == "list them: GET /v1/runs"
    assert error.remedy_for("page") == "list them: /runs"


def test_it_stays_so_across_processes_and_the_wire() -> None:
    error = NotFound("no run 'x'", see="runs")
    for other in (copy.deepcopy(error), from_dict(error.as_dict())):
        assert str(other) == str(error)
    assert "did you mean y?" in str(from_dict(NotFound("no run", remedy="did you mean y?", see="runs").as_dict()))


def test_what_is_listed_exists() -> None:
    from pickaxe.cli import group

    for listed in LISTED.values():
        words = listed.command.split()[1:]
        command = group
        for word in words:
            command = command.get_command(None, word)  # type: ignore[attr-defined,arg-type]
            assert command is not None, listed
        assert re.fullmatch(r"GET /v1/\w+", listed.route)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("t/total:9", r"t/total has no version '9'\n  expected: t/total:1$"),
        ("t/total@best", r"t/total has no alias 'best'\n  expected: t/total:1, or t/total@production"),
        ("t/unlike", r"no artifact 't/unlike'(?s:.)*list them: pickaxe artifacts"),
    ],
)
def test_what_a_name_lacks_is_said(workspace: Workspace, reference: str, said: str) -> None:
    outputs = workspace.run(steps.count, steps.Count(upto=1), name="t/count").outputs
    if "@" in reference:
        workspace.artifacts.alias(next(iter(outputs.values())), "production")
    with pytest.raises(NotFound) as caught:
        workspace.artifact(reference)
    assert re.search(said, str(caught.value), re.MULTILINE)
