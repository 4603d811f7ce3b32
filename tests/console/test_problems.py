"""Errors in the reader's language: by reason and details, on pages and beside what the API answers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
import pytest
from pydantic import Field
from starlette.testclient import TestClient

import pickaxe
from pickaxe.console.problems import PARTS, in_words
from pickaxe.console.words import catalogue
from pickaxe.data.columns import text_column
from pickaxe.data.label.forms import checked_answer
from pickaxe.data.label.queue import Queues, create_queue
from pickaxe.data.look import look
from pickaxe.data.readers.base import Record
from pickaxe.data.readers.encoding import known_encoding
from pickaxe.data.readers.no_text import NOT_OURS
from pickaxe.flows.ceiling import Ceiling
from pickaxe.flows.job_view import job_of
from pickaxe.flows.task import Task
from pickaxe.kernel.access import passwords
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.artifacts import checked_name
from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import BadInput, PickaxeError, from_dict
from pickaxe.kernel.tables.sql import SqlLimits, answer
from pickaxe.kernel.tables.sql_errors import mistake, too_long, too_much_memory
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve.records import Records
from pickaxe.server.up import whole_app

SOURCE = Path(pickaxe.__file__).parent
LONG = "a long enough password"
ZH = {"accept-language": "zh-CN,zh;q=0.9"}


def reasons() -> Iterator[str]:
    """Every reason that the code gives."""
    yield from (reason for *_, reason in NOT_OURS)
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.keyword) and node.arg == "reason":
                yield from (
                    str(part.value) for part in ast.walk(node.value) if isinstance(part, ast.Constant) and part.value != "@"
                )


def test_every_reason_has_words_and_nothing_else_has() -> None:
    keys = {key.removeprefix("problem.") for key in catalogue("en") if key.startswith("problem.")}
    said = {key.removesuffix("-expected").removesuffix("-remedy") for key in keys} - {"near"}
    assert said == set(reasons())
    assert said <= keys, "a reason has its message"


def a_file(folder: Path, name: str, content: bytes) -> Callable[[], object]:
    (folder / name).write_bytes(content)
    return lambda: look(folder / name, name)


def sql(query: str) -> Callable[[], object]:
    table = pa.table({"text": ["a"], "n": [1]})
    return lambda: answer(query, {"rows": table}, (), SqlLimits())


def forecast(**meters: float) -> Any:
    from types import SimpleNamespace

    return SimpleNamespace(**{"nano": None, "seconds": None, "memory_bytes": None} | meters)


def mistakes(workspace: Workspace, folder: Path) -> Mapping[str, Callable[[], object]]:
    """A way to make each mistake, by its reason."""
    members = workspace.members
    members.add_person("ada", Role.ADMIN, password=LONG)
    rows = workspace.import_table(pa.table({"row_key": ["a"], "text": ["one"]}), "shop/rows")
    create_queue(workspace, "shop", rows, form="choice", labels=["x", "y"])
    queue = Queues.of(workspace).get(workspace, "shop")
    queue.answer("ann", "a", "x", seconds=1.0)
    empty = workspace.import_table(
        pa.table({"row_key": pa.array([], pa.string()), "text": pa.array([], pa.string())}), "shop/none"
    )
    twice = workspace.import_table(pa.table({"row_key": ["a", "a"], "text": ["one", "two"]}), "shop/twice")
    records = [Record(line, {"first": "one two three", "second": "four five six", "n": "1"}) for line in range(3)]
    numbers = [Record(1, {"a": "1", "b": "2"})]
    return {
        "sql_no_column": sql("SELECT txt FROM rows"),
        "sql_no_table": lambda: _raise(mistake(Exception('Binder Error: Referenced table "r" not found'), "q")),
        "sql_no_function": sql("SELECT lenght(text) FROM rows"),
        "sql_wrong_types": sql("SELECT text + n + text FROM rows"),
        "sql_unreadable": sql("SELECT FROM FROM"),
        "sql_only_select": sql("DROP TABLE rows"),
        "sql_failed": sql("SELECT CAST(text AS INTEGER) FROM rows"),
        "sql_memory": lambda: _raise(too_much_memory("512MB")),
        "sql_too_long": lambda: _raise(too_long(2.5)),
        "person_name": lambda: members.add_person(" ", Role.VIEWER),
        "person_taken": lambda: members.add_person("ada", Role.VIEWER),
        "last_admin": lambda: members.change_person("ada", disabled=True),
        "nobody_called": lambda: members.change_person("eve", disabled=True),
        "tenant_name": lambda: members.add_tenant("A B", admin="zoe", password=LONG),
        "password_length": lambda: members.add_person("bob", Role.VIEWER, password="short"),
        "key_name": lambda: members.create_key(" ", ["read"], person="ada"),
        "key_scopes": lambda: members.create_key("k", [], person="ada"),
        "file_empty": a_file(folder, "empty.csv", b""),
        **{reason: a_file(folder, reason, magic + b"\0" * 40) for magic, _, _, reason in NOT_OURS},
        "file_no_text": a_file(folder, "picture.csv", b"\x89PNG\r\n" + bytes(range(32)) * 4),
        "file_json_array": a_file(folder, "rows.json", b'[{"text": "a"}]'),
        "file_column_twice": a_file(folder, "twice.csv", b"text,text\na,b\n"),
        "file_parquet": a_file(folder, "rows.parquet", b"PAR1" + b"\0" * 40),
        "file_nothing_usable": a_file(folder, "header.csv", b"text,label\n"),
        "encoding_unknown": lambda: known_encoding("utf8000000000", folder),
        "column_of_text_several": lambda: text_column(records, None, "rows.csv"),
        "column_of_text_none": lambda: text_column(numbers, None, "rows.csv"),
        "column_missing": lambda: text_column(records, "third", "rows.csv"),
        "limit_cost": lambda: Ceiling(nano=1).admit("gate", forecast(nano=2), spent_nano=0, spent_seconds=0.0),
        "limit_time": lambda: Ceiling(seconds=1.5).admit("gate", forecast(seconds=2.0), spent_nano=0, spent_seconds=0.0),
        "limit_memory": lambda: Ceiling(memory_bytes=10).admit(
            "gate", forecast(memory_bytes=2e9), spent_nano=0, spent_seconds=0.0
        ),
        "label_answered": lambda: queue.answer("bob", "a", "x", seconds=1.0),
        "label_note": lambda: queue.answer("ann", "a", "x", seconds=1.0, note="n" * 3000),
        "label_no_item": lambda: queue.skip("ann", "nothing"),
        "label_no_class": lambda: checked_answer("choice", "z", ["x", "y"], "text"),
        "label_span_twice": lambda: checked_answer("spans", [{"start": 0, "end": 1, "label": "x"}] * 2, ["x"], "text"),
        "label_span_outside": lambda: checked_answer("spans", [{"start": 0, "end": 9, "label": "x"}], ["x"], "text"),
        "queue_taken": lambda: create_queue(workspace, "shop", rows, form="choice", labels=["x", "y"]),
        "queue_no_rows": lambda: create_queue(workspace, "none", empty, form="choice", labels=["x", "y"]),
        "queue_twice": lambda: create_queue(workspace, "twice", twice, form="choice", labels=["x", "y"]),
        "name_unusable": lambda: checked_name("A B"),
        "no_run": lambda: workspace.runs.get("run-0"),
        "no_artifact": lambda: workspace.artifact("shop/row"),
        "no_version": lambda: workspace.artifact("shop/rows:9"),
        "no_alias": lambda: workspace.artifact("shop/rows@best"),
        "no_job": lambda: job_of(workspace, "job-0"),
        "no_endpoint": lambda: workspace.endpoint("shop"),
        "no_trace": lambda: Records(workspace).trace("0" * 32),
        "trace_id": lambda: Records(workspace).trace("x"),
    }


def test_the_english_words_are_the_codes_own_and_the_chinese_say_it_all(
    empty: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_LOG_N", 5)
    words = catalogue("en")
    for reason, make in mistakes(empty, tmp_path).items():
        with pytest.raises(PickaxeError) as caught:
            make()
        error = caught.value
        assert error.details.get("reason") == reason, (reason, error)
        for part in PARTS:
            text = words.get(f"problem.{reason}" if part == "message" else f"problem.{reason}-{part}")
            if text is not None and getattr(error, part) and not (part == "remedy" and error.details.get("near")):
                assert text.format_map(error.details) == getattr(error, part), (reason, part)
        said = in_words(error, "zh")
        assert re.search(r"[\u4e00-\u9fff]", said["message"]), reason
        assert in_words(from_dict(error.as_dict()), "zh") == said, "it says the same after a way over the wire"
        assert in_words(error.as_dict(), "zh").items() >= said.items()
        assert in_words(error, "en") == {}
        if error.remedy:
            assert "remedy" in said or reason in ("no_version",), reason


def test_what_an_older_version_kept_is_said_as_it_was() -> None:
    kept = {"code": "bad_input", "message": "no column 'x'", "details": {"reason": "sql_no_column"}}
    assert in_words(kept, "zh") == {}
    assert in_words({"code": "bad_input", "message": "odd", "details": None}, "zh") == {}


def test_a_page_and_the_api_say_it_in_chinese(empty: Workspace, client: TestClient) -> None:
    empty.import_table(pa.table({"text": ["a"]}), "shop/rows")
    for address, said in (
        ("/runs/run-0", "没有运行 <bdi>&#39;run-0&#39;</bdi>"),
        ("/artifacts/shop/row", "您是想用 <bdi>shop/rows</bdi> 吗？"),
        ("/tasks/nothing", "没有任务"),
    ):
        page = client.get(address, headers=ZH)
        assert page.status_code == 404
        assert said in page.text
    asked = client.get("/data/-/sql", params={"q": 'SELECT txt FROM "shop/rows"'}, headers=ZH).text
    assert "没有列 <bdi>&#39;txt&#39;</bdi>" in asked
    assert "没有列" not in client.get("/data/-/sql", params={"q": 'SELECT txt FROM "shop/rows"'}).text


@pytest.mark.parametrize(
    ("reason", "address"),
    [
        ("no_state", "/runs?state=odd"),
        ("compare_count", "/runs/compare?run=run-0"),
        ("compare_two", "/artifacts/diff?a=shop/rows"),
        ("compare_unlike", "/artifacts/diff?a=shop/rows&b=shop/report"),
        ("query_not_saved", "/data/-/queries/odd"),
        ("table_none", "/data/shop/report"),
    ],
)
def test_what_a_page_refuses_itself_is_said_in_both_languages(
    empty: Workspace, client: TestClient, reason: str, address: str
) -> None:
    empty.import_table(pa.table({"text": ["a"]}), "shop/rows")
    empty.import_json({}, "shop/report", kind="report")
    empty.import_json({}, "queries/odd", kind="report")
    for headers, words in (({}, catalogue("en")), (ZH, catalogue("zh"))):
        page = client.get(address, headers=headers)
        shown = re.sub(r"</?(?:bdi|span)[^>]*>", "", page.text)
        assert page.status_code == 422
        for key in (f"problem.{reason}", f"problem.{reason}-expected"):
            assert max(re.split(r"{\w+}", words[key]), key=len).strip() in shown, key


def _raise(error: BadInput) -> None:
    raise error


def test_the_api_says_it_in_the_callers_language_beside_its_own(empty: Workspace) -> None:
    with TestClient(whole_app(empty), base_url="http://localhost") as api:
        error = api.get("/v1/runs/run-0", headers=ZH).json()["error"]
        assert error["message"] == "no run 'run-0'"
        assert error["details"]["reason"] == "no_run"
        assert error["said"] == {"language": "zh", "message": "没有运行 'run-0'"}
        assert "said" not in api.get("/v1/runs/run-0").json()["error"]
        chosen = api.get("/v1/runs/run-0", headers={"cookie": "pickaxe-language=zh"}).json()["error"]
        assert chosen["said"]["language"] == "zh"


class Sample(Config):
    """A field of each sort."""

    whole: int = Field(1, ge=1, le=5)
    share: float = Field(0.5, gt=0, lt=1)
    text: str = Field("a", min_length=1, max_length=3)
    many: list[str] = Field(["a"], min_length=1, max_length=2)
    either: Literal["a", "b"] = "a"
    flag: bool = True
    inner: dict[str, int] = Field({})
    at: datetime | None = None
    day: date | None = None


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"whole": 0}, "whole：应不小于 1"),
        ({"whole": 9}, "whole：应不大于 5"),
        ({"whole": "x"}, "whole：应为整数"),
        ({"whole": 1.5}, "whole：应为整数"),
        ({"share": 0}, "share：应大于 0.0"),
        ({"share": 1}, "share：应小于 1.0"),
        ({"share": "x"}, "share：应为数字"),
        ({"text": ""}, "text：至少 1 个字符"),
        ({"text": "abcd"}, "text：最多 3 个字符"),
        ({"text": 1}, "text：应为文本"),
        ({"many": []}, "many：至少 1 项"),
        ({"many": ["a"] * 3}, "many：最多 2 项"),
        ({"many": "a"}, "many：应为列表"),
        ({"either": "c"}, "either：应为 'a' or 'b'"),
        ({"flag": "perhaps"}, "flag：应为 true 或 false"),
        ({"inner": 1}, "inner：应为对象"),
        ({"at": "x"}, "at：应为时间"),
        ({"day": "x"}, "day：应为日期"),
        ({"colour": 1}, "colour：这里没有此项"),
        ({"shar": 1}, "shar：这里没有此项；您是想用 share 吗？"),
        ({"whole": 0, "text": ""}, "whole：应不小于 1；task.text：至少 1 个字符"),
    ],
)
def test_a_field_says_what_is_wrong_with_it(value: dict[str, Any], said: str) -> None:
    with pytest.raises(BadInput) as caught:
        Sample.parse(value, where="task")
    told = in_words(caught.value, "zh")
    assert told["message"] == f"task 无效：task.{said}"
    unknown = "没有此项" in said  # only then is it a question which keys there are
    assert told.get("expected", "").startswith("Sample 的键：whole, share") == unknown
    assert told["remedy"]


def test_what_a_validator_of_ours_says_of_a_field_stays_english(client: TestClient) -> None:
    with pytest.raises(BadInput) as caught:
        Task.parse({"name": "a/b", "data": "x.csv"}, where="task")
    assert in_words(caught.value, "zh") == {}


def test_a_body_is_refused_in_chinese_field_by_field(empty: Workspace) -> None:
    with TestClient(whole_app(empty), base_url="http://localhost", headers=ZH) as api:
        error = api.post("/v1/people", json={"name": "", "role": "admin", "passwrd": "x"}).json()["error"]
        assert error["said"]["message"] == "name：至少 1 个字符；passwrd：这里没有此项；您是想用 password 吗？"
        secret = api.post("/v1/people", json={"name": "a", "role": "admin", "password": "hunter2" * 100})
        assert "最多 256 个字符" in secret.json()["error"]["said"]["message"]
        assert "hunter2" not in secret.text
