"""What somebody hears about their data before a model is made of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pickaxe.flows.people import refuse_early
from pickaxe.flows.remarks import of_curation, of_rows, refuse_labels
from pickaxe.flows.task import Task
from pickaxe.kernel.errors import BadInput

CLEAN = {"quarantined": 0, "quarantine": {}, "classes": {"urgent": 600, "calm": 300}}


def test_a_column_of_numbers_or_names_is_no_label_column() -> None:
    with pytest.raises(BadInput, match="no classes") as caught:
        refuse_labels({str(number): 1 for number in range(200)})
    assert "'0', '1', '2'" in str(caught.value)
    with pytest.raises(BadInput, match="nothing to tell apart"):
        refuse_labels({"urgent": 900})


@pytest.mark.parametrize("classes", [{}, {"a": 1, "b": 1}, {"a": 800, "b": 90, "c": 1, "d": 1}, {str(n): 2 for n in range(200)}])
def test_labels_that_rows_share_may_be_learned(classes: dict[str, int]) -> None:
    refuse_labels(classes)


def test_nothing_is_said_of_a_clean_file() -> None:
    assert not list(of_rows("tickets", CLEAN))
    assert not list(of_curation("tickets", {"dropped": {}, "kept": 900, "splits": {"pool": 900}}))


def test_labels_that_differ_in_case_are_named_with_their_rows() -> None:
    (said,) = of_rows("tickets", CLEAN | {"classes": {"calm": 300, "urgent": 600, "Urgent": 8}})
    assert "'urgent' (600 rows) and 'Urgent' (8 rows)" in said


def test_what_is_left_out_is_counted_and_where_it_is_to_be_seen() -> None:
    (said,) = of_rows("tickets", CLEAN | {"quarantined": 12, "quarantine": {"empty text": {"count": 12, "first_lines": [2]}}})
    assert said == "12 rows set aside (empty text: 12); to see them: pickaxe rows tickets/quarantine"
    curation = {"dropped": {"near duplicate": 163}, "kept": 1325, "splits": {"pool": 1123, "test": 202}}
    (said,) = of_curation("tickets", curation)
    assert said == "163 rows left out (near duplicate: 163), 1,325 kept (1,123 pool, 202 test); pickaxe rows tickets/dropped"


def test_a_file_of_texts_in_the_place_of_a_task_file_is_told_from_one(tmp_path: Path) -> None:
    file = tmp_path / "my tickets.csv"
    file.write_text("title,kind\nprinter on fire,urgent\n")
    with pytest.raises(BadInput, match="cannot be read as TOML") as caught:
        Task.load(file)
    assert f"pickaxe produce --data '{file}'" in str(caught.value.remedy)
    file = tmp_path / "task.toml"
    file.write_text("name: tickets\n")
    with pytest.raises(BadInput) as caught:
        Task.load(file)
    assert "--data" not in str(caught.value)


def test_an_address_is_no_file_and_it_is_said_what_to_do() -> None:
    task = Task.parse({"name": "tickets", "data": "https://example.org/tickets.csv"})
    with pytest.raises(BadInput) as caught:
        refuse_early(task)
    assert "download it first" in str(caught.value.remedy)
