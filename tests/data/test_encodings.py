"""Files as people have them: other encodings than UTF-8, other separators, other line ends, titles above the header."""

from __future__ import annotations

import contextlib
import gzip
import random
import tracemalloc
from collections import Counter
from encodings.aliases import aliases
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from benchmarks.encoded import Half, tables
from pickaxe.data.ingest import IngestConfig
from pickaxe.data.look import look
from pickaxe.data.readers.encoding import found_encoding
from pickaxe.data.readers.sniff import settled
from pickaxe.kernel.errors import BadInput
from pickaxe.testing import StepBench
from tests.data.test_ingest import quarantined, run, texts

SAID = {
    "gb18030": "打印机坏了，无法打印文件，请尽快维修。",
    "big5": "印表機壞了，無法列印文件，請儘快維修。",
    "cp932": "プリンターが壊れて印刷できません。",
    "euc_jp": "注文した商品がまだ届いていません。",
    "cp949": "프린터가 고장 나서 인쇄할 수 없습니다.",
    "cp1252": "Le café est fermé à cause de la grève – où êtes-vous ?",
    "cp1251": "Принтер снова не работает, помогите пожалуйста.",
    "koi8-r": "Заказ ещё не пришёл, очень жаль.",
    "cp1253": "Ο εκτυπωτής δεν λειτουργεί ξανά, βοηθήστε παρακαλώ.",
    "cp1255": "המדפסת שוב לא עובדת, בבקשה עזרו לי בהקדם.",
    "cp1256": "الطابعة لا تعمل مرة أخرى، يرجى المساعدة.",
    "cp874": "เครื่องพิมพ์เสียอีกแล้ว กรุณาช่วยด้วย",
}


def tickets(text: str, rows: int = 200) -> str:
    return "id;text;kind\r\n" + "".join(f'{n};"{text} ({n})";{"urgent" if n % 2 else "calm"}\r\n' for n in range(rows))


def profile(bench: StepBench) -> dict[str, Any]:
    return bench.saved["profile"]["source"]


@pytest.mark.parametrize("encoding", SAID)
def test_what_spreadsheets_write_is_read_as_it_was_meant(tmp_path: Path, encoding: str) -> None:
    bench = run(tmp_path, tickets(SAID[encoding]).encode(encoding))
    assert texts(bench) == [f"{SAID[encoding]} ({n})" for n in range(200)]
    assert (profile(bench)["encoding"], profile(bench)["delimiter"]) == (encoding, ";")
    sure = encoding in ("gb18030", "big5", "cp932", "euc_jp", "cp949")
    assert profile(bench)["encoding_from"] == ("found" if sure else "guessed")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_unicode_in_every_spelling(tmp_path: Path, encoding: str) -> None:
    bench = run(tmp_path, tickets("naïve — ✓").encode(encoding))
    assert len(texts(bench)) == 200
    assert texts(bench)[0] == "naïve — ✓ (0)"
    assert profile(bench)["columns"] == ["id", "text", "kind"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
def test_a_name_without_its_order_fits_a_file_without_a_mark(tmp_path: Path, encoding: str) -> None:
    assert texts(run(tmp_path, tickets("naïve — ✓").encode(encoding), encoding=encoding[:6]))[0] == "naïve — ✓ (0)"


@pytest.mark.parametrize("content", [bytes(range(256)) * 40, b"\x00" * 300, b"\xff\xfe", b"\r\r\r", b'"', b"sep=;", b"a,b\r"])
def test_whatever_it_is_and_is_called_it_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    path = written(tmp_path, content)
    for encoding in ("auto", *sorted({*aliases.values(), "utf-8-sig", "undefined", "idna", "unicode_escape", "..\\x"})):
        for name in ("some.csv", "some.jsonl"):
            with contextlib.suppress(BadInput):
                look(path, name, IngestConfig(encoding=encoding))


@pytest.mark.parametrize("encoding", ["gb18030", "big5", "cp932", "euc_jp", "cp949"])
def test_one_short_sentence_again_and_again_is_told(tmp_path: Path, encoding: str) -> None:
    said = {
        "gb18030": ("打印机坏了请尽快处理第{}次", "紧急", "普通"),
        "big5": ("印表機壞了請儘快處理第{}次", "緊急", "普通"),
        "cp932": ("印刷機が故障第{}回", "至急", "普通"),
        "euc_jp": ("印刷機が故障第{}回", "至急", "普通"),
        "cp949": ("프린터 고장 {}번째", "긴급", "보통"),
    }
    text, *classes = said[encoding]
    content = "text,kind\n" + "".join(f"{text.format(n)},{classes[n % 2]}\n" for n in range(200))
    found = found_encoding(written(tmp_path, content.encode(encoding)))
    assert found.name == encoding
    assert found.sure or encoding == "euc_jp", "of Japanese without kana one cannot be sure"


@pytest.mark.parametrize("half", ["tuned", "held"])
def test_most_tables_of_22_languages_are_read_as_they_were_written(tmp_path: Path, half: Half) -> None:
    wrong, every = Counter[str](), Counter[str]()
    for table in islice(tables(half), 0, None, 37):
        guess = found_encoding(written(tmp_path, table.data)).name
        every[table.encoding] += 1
        wrong[table.encoding] += table.data.decode(guess, errors="replace") != table.content
    assert len(every) == 16, "every encoding has its turn"
    assert wrong.total() <= 0.05 * every.total(), wrong
    assert not any(wrong[encoding] for encoding in ("gb18030", "big5", "cp932", "euc_jp", "cp949", "cp1251", "cp1256", "cp874"))


NO_TEXTS = {
    "a PNG image": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\x02\x80\0\0\x01\xe0\x08\x06\0\0\0" + bytes(range(256)) * 4,
    "a JPEG image": b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01" + bytes(range(256)) * 4,
    "a pickle": b"\x80\x04\x95\x10\0\0\0\0\0\0\0]\x94(K\x01K\x02K\x03e." + bytes(range(64)) * 4,
    "a program": b"\x7fELF\x02\x01\x01" + b"\0" * 9 + bytes(range(64)) * 8,
    "bytes that no text": b"begins like text\n" + random.Random(7).randbytes(4000),
}


@pytest.mark.parametrize("what", NO_TEXTS)
@pytest.mark.parametrize("name", ["some.csv", "some.jsonl", "some"])
def test_what_is_no_text_is_refused(tmp_path: Path, what: str, name: str) -> None:
    for config in (IngestConfig(), IngestConfig(format="csv", encoding="cp1256")):
        with pytest.raises(BadInput, match="is no text") as refused:
            look(written(tmp_path, NO_TEXTS[what]), name, config)
        assert what in (refused.value.got or "")
        assert refused.value.details["reason"] == "file_no_text"


def test_a_format_that_was_told_makes_no_text_of_an_archive(tmp_path: Path) -> None:
    for content, said in (
        (b"PK\x03\x04rest", "zip archive"),
        (gzip.compress(b"text\na\n"), "gzip file"),
        (b"%PDF-1.7\n", "a PDF"),
    ):
        with pytest.raises(BadInput, match=said):
            look(written(tmp_path, content), "some.csv", IngestConfig(format="csv", encoding="latin-1"))


def test_a_few_control_characters_make_no_text_of_nothing(tmp_path: Path) -> None:
    content = "text,kind\n" + "".join(f"row {n} of many\0\x07,a\n" if n % 20 == 0 else f"row {n} of many,a\n" for n in range(200))
    assert look(written(tmp_path, content.encode()), "some.csv").rejected == {"NUL byte": 10}
    assert look(written(tmp_path, b"GIF8 and BM, MZ too,a\n" * 9), "some.csv").format == "csv"


def test_a_short_file_says_that_its_encoding_is_a_guess(tmp_path: Path) -> None:
    (tmp_path / "short.csv").write_bytes("text,n\ncafé,1\n".encode("cp1252"))
    found = look(tmp_path / "short.csv", "short.csv")
    assert found.encoding_from == "guessed"
    (tmp_path / "short.csv").write_bytes("text,n\n会议改到下午,1\n".encode("gb18030"))
    assert look(tmp_path / "short.csv", "short.csv").encoding_from == "guessed"
    given = look(tmp_path / "short.csv", "short.csv", IngestConfig(encoding="gb18030"))
    assert (given.sample[0][0], given.encoding_from) == ("会议改到下午", "given")


def test_a_few_accents_far_from_the_beginning_are_found(tmp_path: Path) -> None:
    rows = [f"nothing but plain letters in row {n}" for n in range(60_000)]
    content = "text\n" + "\n".join(rows) + "\n" + "".join(f"déjà vu, naïve café, row {n}\n" for n in range(9000))
    (tmp_path / "late.csv").write_bytes(content.encode("cp1252"))
    assert (tmp_path / "late.csv").stat().st_size > 2_000_000
    assert found_encoding(tmp_path / "late.csv").name == "cp1252"


def test_a_byte_that_no_sample_showed_is_an_error_with_its_line(tmp_path: Path) -> None:
    plain = "".join(f"nothing but plain letters in row {n}\n" for n in range(60_000)).encode()
    place = next(
        place
        for place in range(600_000, len(plain), 1000)
        if found_encoding(written(tmp_path, b"text\n" + plain[:place] + b"\n\xe9t\xe9\n" * 900 + plain[place:])).name == "utf-8"
    )
    content = b"text\n" + plain[:place] + b"\n\xe9t\xe9\n" * 900 + plain[place:]
    with pytest.raises(BadInput, match="is not utf-8") as caught:
        run(tmp_path, content, delimiter=",")
    details = caught.value.details
    assert content[details["byte_offset"]] == 0xE9
    assert details["line"] == content[: details["byte_offset"]].count(b"\n") + 1
    assert "cp1252" in (caught.value.remedy or "")
    assert "été" in texts(run(tmp_path, content, encoding="cp1252", delimiter=","))


def test_a_guess_is_given_up_at_the_first_byte_that_contradicts_it(tmp_path: Path) -> None:
    content = tickets(SAID["cp1252"], 20_000).encode("cp1252")
    place = content.index(b"(9000)")
    content = content[:place] + b"\x81" + content[place:]
    assert found_encoding(written(tmp_path, content)) == ("cp1252", False)
    with pytest.raises(BadInput, match="is not cp1252") as caught:
        run(tmp_path, content)
    assert caught.value.details == {"line": 9002, "byte_offset": place}
    assert quarantined(run(tmp_path, content, encoding="cp1252")) == [(9002, "undecodable line")]


def written(folder: Path, content: bytes) -> Path:
    (folder / "some.csv").write_bytes(content)
    return folder / "some.csv"


def test_only_a_sample_is_looked_at_and_memory_stays_bounded(tmp_path: Path) -> None:
    line = tickets(SAID["gb18030"], 3).splitlines(keepends=True)[2].encode("gb18030")
    with (tmp_path / "large.csv").open("wb") as file:
        file.write(b"id;text;kind\r\n")
        for _ in range(200):
            file.write(line * 2000)
    assert (tmp_path / "large.csv").stat().st_size > 20_000_000
    tracemalloc.start()
    found = look(tmp_path / "large.csv", "large.csv")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 24_000_000, f"{peak:,} bytes at the peak"
    assert found.encoding == "gb18030"
    assert 390_000 < found.rows < 410_000


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_lines_that_end_with_a_carriage_return(tmp_path: Path, encoding: str) -> None:
    bench = run(tmp_path, 'text,kind\rone,a\r"two\nlines, still two",b\rthree,a\r'.encode(encoding), label="kind")
    assert texts(bench) == ["one", "two\nlines, still two", "three"]
    assert bench.saved["rows"]["line"].to_pylist() == [2, 3, 4]
    mixed = run(tmp_path, 'text,kind\r\n"one\rmore",a\r\ntwo,b\r\n')
    assert texts(mixed) == ["one\rmore", "two"], "a carriage return inside a cell ends no line"


def test_decimal_commas_do_not_split(tmp_path: Path) -> None:
    bench = run(tmp_path, "text;price\n" + "".join(f"shoes, size {n};{n},50\n" for n in range(9)), label="price")
    assert bench.saved["rows"]["label"].to_pylist()[:2] == ["0,50", "1,50"]


@pytest.mark.parametrize(
    ("content", "delimiter", "above", "columns"),
    [
        ("Tickets of March 2026\nid,text\n1,on fire\n2,again\n", ",", 1, ["id", "text"]),
        ("Tickets of March 2026;;\n\nid;text;kind\n1;on fire;a\n2;again;b\n", ";", 2, ["id", "text", "kind"]),
        ('"A title, in quotes\nover two lines",\nid,text\n1,on fire\n2,again\n', ",", 2, ["id", "text"]),
        ("\n\nid,text\n1,on fire\n", ",", 2, ["id", "text"]),
        ("sep=;\nid;text\n1;on, fire\n", ";", 1, ["id", "text"]),
        ("id\ttext\n1\ton, fire; now\n", "\t", 0, ["id", "text"]),
        ("text,,\nhello,1,2\n", ",", 0, ["text", "column2", "column3"]),
        ("text\nhello, world\nbye\nand, again, more\n", ";", 0, ["text"]),
        ('text\n"hello, world"\n"bye; all"\n', ",", 0, ["text"]),
        ("text\nhello, world\nbye, all\n", ",", 0, None),
    ],
)
def test_separator_and_header_are_found(
    tmp_path: Path, content: str, delimiter: str, above: int, columns: list[str] | None
) -> None:
    found = settled(written(tmp_path, content.encode()), "some.csv", IngestConfig())
    assert (found.delimiter, found.skip_before_header) == (delimiter, above)
    if columns is None:  # where nobody can tell, nothing is made up: every row says why it is set aside
        with pytest.raises(BadInput, match="ragged row"):
            run(tmp_path, content)
    else:
        bench = run(tmp_path, content, text="text")
        assert (profile(bench)["columns"], profile(bench)["lines_above"]) == (columns, above)


def test_lines_above_the_header_can_be_given(tmp_path: Path) -> None:
    content = "Tickets\nid,text\n1,on fire\n"
    assert texts(run(tmp_path, content, skip_before_header=1, text="text")) == ["on fire"]


@pytest.mark.parametrize("content", ["text,kind\none,a,\ntwo,b,\n", "text,kind,\none,a\ntwo,b\n", "text,kind,\none,a,\ntwo,b,\n"])
def test_a_separator_at_the_end_of_lines_begins_no_column(tmp_path: Path, content: str) -> None:
    assert texts(run(tmp_path, content)) == ["one", "two"]
    found = look(written(tmp_path, content.encode()), "some.csv")
    assert [column.name for column in found.columns] == ["text", "kind"]


def test_what_was_found_is_settled_once(tmp_path: Path) -> None:
    path = written(tmp_path, tickets(SAID["cp1251"]).encode("cp1251"))
    found = settled(path, "some.csv", IngestConfig())
    assert (found.format, found.encoding, found.encoding_from, found.delimiter) == ("csv", "cp1251", "guessed", ";")
    assert settled(path, "some.csv", found) == found
    assert found.model_dump()["skip_before_header"] == 0, "what a run has on record says how its file was read"
