"""Ingest: what comes in comes out untouched, or goes to quarantine with its line and reason."""

from __future__ import annotations

import csv
import io
import json
import tempfile
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pickaxe.data.ingest import IngestConfig, ingest
from pickaxe.kernel.errors import BadInput
from pickaxe.testing import StepBench


def run(folder: Path, content: bytes | str, name: str = "texts.csv", **config: Any) -> StepBench:
    path = folder / name
    path.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)
    bench = StepBench({"source": path})
    ingest(bench, IngestConfig(language_sample=0, **config))
    return bench


def texts(bench: StepBench) -> list[str]:
    return bench.saved["rows"]["text"].to_pylist()


def quarantined(bench: StepBench) -> list[tuple[int, str]]:
    table = bench.saved["quarantine"]
    return list(zip(table["line"].to_pylist(), table["reason"].to_pylist(), strict=True))


def test_csv_keeps_order_labels_and_quoted_newlines(tmp_path: Path) -> None:
    bench = run(tmp_path, 'text,label\nfirst one, a \n"two\r\nlines, ""quoted""",b\nthird,\n', label="label")
    rows = bench.saved["rows"].to_pylist()
    assert [row["text"] for row in rows] == ["first one", 'two\r\nlines, "quoted"', "third"]
    assert [row["line"] for row in rows] == [2, 3, 5], "the line where a record starts"
    assert [row["label"] for row in rows] == ["a", "b", None]
    assert {row["source"] for row in rows} == {"texts.csv"}
    assert bench.saved["profile"]["unlabelled"] == 1


def test_row_keys_are_unique_and_stay_when_rows_are_added(tmp_path: Path) -> None:
    few = run(tmp_path, "text\nalpha\nbeta\nalpha\n").saved["rows"]["row_key"].to_pylist()
    more = run(tmp_path, "text\nalpha\nbeta\nalpha\ngamma\nalpha\n").saved["rows"]["row_key"].to_pylist()
    assert more[:3] == few
    assert more[2] == f"{more[0]}-2"
    assert more[4] == f"{more[0]}-3"
    assert len(set(more)) == 5
    assert all(len(key.split("-")[0]) == 16 for key in more)


def test_right_to_left_emoji_and_decomposed_text_pass_untouched(tmp_path: Path) -> None:
    strange = ["‏שלום עולם‎", "مرحبا 👩‍👩‍👧‍👦", "e\u0301 is not \u00e9", "  leading and trailing  ", "zero\u200bwidth", "🏴󠁧󠁢󠁥󠁮󠁧󠁿"]
    buffer = io.StringIO()
    csv.writer(buffer).writerows([["text"], *([text] for text in strange)])
    assert texts(run(tmp_path, buffer.getvalue())) == strange
    lines = "".join(json.dumps({"text": text}) + "\n" for text in strange)
    assert texts(run(tmp_path, lines, "texts.jsonl")) == strange


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), min_size=1, max_size=8),
        min_size=1,
        max_size=8,
    )
)
def test_any_text_survives_csv(values: list[str]) -> None:
    buffer = io.StringIO()
    csv.writer(buffer, quoting=csv.QUOTE_ALL).writerows([["text", "n"], *([text, str(at)] for at, text in enumerate(values))])
    usable = [text for text in values if text and not text.isspace()]
    with tempfile.TemporaryDirectory() as folder:
        if usable:
            assert texts(run(Path(folder), buffer.getvalue(), delimiter=",")) == usable
        else:
            with pytest.raises(BadInput, match="no usable row"):
                run(Path(folder), buffer.getvalue(), delimiter=",")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_encodings_told_by_their_mark(tmp_path: Path, encoding: str) -> None:
    assert texts(run(tmp_path, "text,n\nnaïve — ✓,1\n".encode(encoding))) == ["naïve — ✓"]


def test_unknown_codec(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="'utf-8'"):
        run(tmp_path, "text\nhello\n", encoding="utff-8")
    for odd in ("base64", "utf\0-8"):
        with pytest.raises(BadInput, match="unknown encoding"):
            run(tmp_path, "text\nhello\n", encoding=odd)


def test_one_broken_line_among_many_is_set_aside(tmp_path: Path) -> None:
    lines = [b"text,n", *(f"row {at} ünïcode,{at}".encode() for at in range(200))]
    lines[50] = b"broken \xff\xfe line,49"
    bench = run(tmp_path, b"\n".join(lines))
    assert quarantined(bench) == [(51, "undecodable line")]
    assert len(texts(bench)) == 199
    assert bench.saved["quarantine"]["raw"].to_pylist() == ["broken \\xff\\xfe line,49"]


def test_every_kind_of_bad_row_has_its_line_and_reason(tmp_path: Path) -> None:
    bench = run(
        tmp_path,
        "text,n\ngood,1\nragged\ntoo,many,cells\n  ,4\nnul\0byte,5\n\nfine,6\n" + "x" * 300 + ",7\nlast,8\n",
        max_line_bytes=200,
    )
    assert quarantined(bench) == [(3, "ragged row"), (4, "ragged row"), (5, "empty text"), (6, "NUL byte"), (9, "line too long")]
    assert texts(bench) == ["good", "fine", "last"]
    profile = bench.saved["profile"]
    assert profile["quarantine"]["ragged row"] == {"count": 2, "first_lines": [3, 4]}
    assert profile["source"]["blank_lines"] == 1
    assert bench.saved["quarantine"]["raw"].to_pylist()[3] == "nul\\x00byte,5"


def test_a_stray_quote_costs_one_line(tmp_path: Path) -> None:
    bench = run(tmp_path, 'text,n\na,1\n"never closed,2\nb,3\n"c ""d""",4\n"e" f,5\ng,6\n')
    assert quarantined(bench) == [(3, "malformed quoting"), (6, "malformed quoting")]
    assert texts(bench) == ["a", "b", 'c "d"', "g"]
    bench = run(tmp_path, 'text,n\na,1\n"never closed,2\nb,3\n')
    assert quarantined(bench) == [(3, "quote never closed")]
    assert texts(bench) == ["a", "b"]


def test_an_over_long_line_inside_quotes_takes_its_own_record_with_it(tmp_path: Path) -> None:
    long = "y" * 500
    bench = run(tmp_path, f'text,n\na,1\n"start\n{long}\nend",2\nb,3\n"{long}\n more",4\nc,5\n', max_line_bytes=200)
    assert quarantined(bench) == [(3, "line too long"), (7, "line too long")]
    assert texts(bench) == ["a", "b", "c"]


def test_jsonl_rejects_each_bad_line(tmp_path: Path) -> None:
    lines = ['{"text": "ok", "n": 1}', "{broken", '["list"]', '{"n": 2}', '{"text": 5}', '{"text": null}', '{"text": "\\ud800"}']
    lines += ['{"text": "a\\u0000b"}', '{"text": "label", "n": {"a": 1}}', "[" * 100_000, "", '{"text": "end", "n": true}']
    bench = run(tmp_path, "\n".join(lines), "texts.jsonl", label="n")
    reasons = [
        "invalid JSON",
        "not a JSON object",
        "no field 'text'",
        "text is not a string",
        "empty text",
        "lone surrogate in text",
    ]
    reasons += ["NUL byte", "label is not a name", "invalid JSON"]
    assert quarantined(bench) == list(enumerate(reasons, start=2))
    assert texts(bench) == ["ok", "end"]
    assert bench.saved["rows"]["label"].to_pylist() == ["1", "true"]


def test_jsonl_reaches_into_objects(tmp_path: Path) -> None:
    line = json.dumps({"input": [{"role": "system", "content": "say 1 or 0"}, {"role": "user", "content": "hi"}], "ideal": "0"})
    bench = run(tmp_path, line, "chat.jsonl", text="input[-1].content", label="ideal")
    assert bench.saved["rows"].select(["text", "label"]).to_pylist() == [{"text": "hi", "label": "0"}]


def test_parquet_with_nulls_dictionaries_and_broken_strings(tmp_path: Path) -> None:
    table = pa.table(
        {"body": pa.array(["one two three", None, "two"]).dictionary_encode(), "y": [1.0, 2.0, None], "id": [1, 2, 3]}
    )
    pq.write_table(table, tmp_path / "made.parquet")
    bench = run(tmp_path, (tmp_path / "made.parquet").read_bytes(), "made.parquet", label="y")
    assert texts(bench) == ["one two three", "two"]
    assert quarantined(bench) == [(2, "empty text")]
    broken = pa.Array.from_buffers(pa.string(), 2, pa.array([b"fine", b"\xff\xfe"], pa.binary()).buffers())
    pq.write_table(pa.table({"text": broken}), tmp_path / "made.parquet")
    bench = run(tmp_path, (tmp_path / "made.parquet").read_bytes(), "made.parquet")
    assert texts(bench) == ["fine"]
    assert quarantined(bench) == [(2, "undecodable line")]
    with pytest.raises(BadInput, match="not a readable Parquet file"):
        run(tmp_path, b"PAR1 and then nothing", "cut.parquet")


def test_columns_without_a_name_get_one(tmp_path: Path) -> None:
    assert run(tmp_path, "text,,\nhello,1,2\n").saved["profile"]["source"]["columns"] == ["text", "column2", "column3"]
    assert texts(run(tmp_path, "hello there,1\n", header=False, text="column1")) == ["hello there"]


def test_orange_tab_files(tmp_path: Path) -> None:
    content = 'Category\tText\nd\tstring\nclass\t\n\nearn\tprofits "rose" again\n'
    bench = run(tmp_path, content, "news.tab", text="Text", label="Category", skip_after_header=2)
    assert bench.saved["rows"].select(["text", "label", "line"]).to_pylist() == [
        {"text": 'profits "rose" again', "label": "earn", "line": 5}
    ]


@pytest.mark.parametrize(("content", "delimiter"), [("text;n\na,b;1\n", ";"), ("text|n\na;b|1\n", "|"), ("text\na\n", ",")])
def test_delimiter_is_found(tmp_path: Path, content: str, delimiter: str) -> None:
    assert run(tmp_path, content).saved["profile"]["source"]["delimiter"] == delimiter


def test_the_text_column_is_found_or_asked_for(tmp_path: Path) -> None:
    assert texts(run(tmp_path, "id,Headline\n1,man bites dog\n")) == ["man bites dog"]
    assert texts(run(tmp_path, "id,what\n1,man bites dog\n")) == ["man bites dog"]
    with pytest.raises(BadInput, match="several columns could be the text") as caught:
        run(tmp_path, "title,body\na short title,long story here\n")
    assert caught.value.details["columns"] == ["title", "body"]
    with pytest.raises(BadInput, match="no column reads like text"):
        run(tmp_path, "a,b\n1,2\n")


def test_a_missing_column_gets_the_nearest_names(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="did you mean 'headline'") as caught:
        run(tmp_path, "id,headline\n1,man bites dog\n", text="hedline")
    assert caught.value.details["nearest"] == ["headline"]
    with pytest.raises(BadInput, match="no column 'sentiment'"):
        run(tmp_path, "text,label\na b,1\n", label="sentiment")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("none.csv", b"", "is empty"),
        ("header.csv", b"text,label\n", "no usable row"),
        ("blank.csv", b"\n\n", "no header"),
        ("twice.csv", b"text,text\na,b\n", "names a column twice"),
        ("bad.jsonl", b"nope\nnope\n", "2 × invalid JSON"),
        ("sheet.xlsx", b"PK\x03\x04rest", "Excel"),
        ("array.json", b'[{"text": "a"}]', "JSON array"),
        ("texts.csv.gz", b"\x1f\x8b\x08", "gzip"),
    ],
)
def test_files_that_cannot_be_used_say_why(tmp_path: Path, name: str, content: bytes, message: str) -> None:
    with pytest.raises(BadInput, match=message) as caught:
        run(tmp_path, content, name)
    assert caught.value.remedy


def test_the_profile_can_be_plotted_and_counts_duplicates(tmp_path: Path) -> None:
    bench = run(
        tmp_path, "text,label\n" + "same,a\nsame,b\n" + "".join(f"text number {at},c\n" for at in range(50)), label="label"
    )
    profile = json.loads(json.dumps(bench.saved["profile"]))
    assert profile["duplicates"] == {"rows": 1, "texts": 1, "with_other_label": 1}
    assert profile["classes"] == {"c": 50, "a": 1, "b": 1}
    histogram = profile["chars"]["histogram"]
    assert sum(histogram["counts"]) == 52
    assert len(histogram["edges"]) == len(histogram["counts"]) + 1
    assert profile["nulls"] == {"label": 0, "text": 0}


@pytest.mark.slow
def test_the_language_sample_is_the_same_every_time(tmp_path: Path) -> None:
    path = tmp_path / "texts.csv"
    path.write_text(
        "text\n" + "".join(f"the government announced measure number {at} today\n" for at in range(30)), encoding="utf-8"
    )
    documents: list[Any] = []
    for _ in range(2):
        bench = StepBench({"source": path})
        ingest(bench, IngestConfig(language_sample=10))
        documents.append(bench.saved["profile"])
    assert documents[0] == documents[1]
    assert documents[0]["languages"]["sampled"] == 10
    assert documents[0]["languages"]["counts"]["en"] >= 8


def test_unknown_keys_and_bad_delimiters_are_refused() -> None:
    with pytest.raises(BadInput, match="delimiter"):
        IngestConfig.parse({"delimiter": ",,"})
    with pytest.raises(BadInput, match="colour"):
        IngestConfig.parse({"colour": "red"})


@pytest.mark.parametrize("name", ["long.csv", "long.jsonl"])
def test_a_hundred_megabyte_line_is_set_aside_in_little_memory(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    good = b'{"text": "%s"}\n' if name.endswith("jsonl") else b"%s\n"
    with path.open("wb") as file:
        file.write(b"" if name.endswith("jsonl") else b"text\n")
        file.write(good % b"before")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b"\n" + good % b"after")
    bench = StepBench({"source": path})
    tracemalloc.start()
    ingest(bench, IngestConfig(language_sample=0, delimiter=","))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert texts(bench) == ["before", "after"]
    assert [reason for _, reason in quarantined(bench)] == ["line too long"]
    assert peak < 16_000_000, f"{peak:,} bytes at the peak"
