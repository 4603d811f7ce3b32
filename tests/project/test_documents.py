"""The runner of documents itself: it runs, compares, remembers, and fails when it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.project.documents import blocks, run

GOOD = """
```csv file=rows.csv
text,label
```
```python
from pathlib import Path
names = Path("rows.csv").read_text().strip().split(",")
```
```console
$ python -c "print('a 12.5 s run'); \\
print('done')"
a ... s run
done
```
```console exit=3
$ python -c "raise SystemExit(3)"
```
```python
assert names == ["text", "label"]
```
```console no-run
$ rm -rf everything
```
```python file=later.py
WHEN = "later"
```
```python
from later import WHEN
assert WHEN == "later"
```
"""


def document(folder: Path, text: str) -> Path:
    path = folder / "guide.md"
    path.write_text(text, encoding="utf-8")
    return path


def test_blocks_run_in_order_in_one_folder(tmp_path: Path) -> None:
    assert run(document(tmp_path, GOOD), tmp_path) == 5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("```python\nassert 1 == 2\n```\n", "AssertionError"),
        ("```python\nx = 1\n```\n```python\ny\n```\n", "guide.md:4.*NameError"),
        ("```python\nimport os; os._exit(9)\n```\n", "ended with 9"),
        ("```console\n$ python -c 'exit(4)'\n```\n", "exit code 4, not 0"),
        ("```console exit=2\n$ python -c 'exit(0)'\n```\n", "exit code 0, not 2"),
        ("```console\n$ python -c 'print(1)'\n2\n```\n", "but the document says"),
        ("```console\n$ rm nothing\n```\n", "only pickaxe and python"),
        ("```console\npickaxe produce\n```\n", "without a line that starts with"),
    ],
)
def test_failures_are_found(tmp_path: Path, text: str, says: str) -> None:
    with pytest.raises(AssertionError, match=f"(?s){says}"):
        run(document(tmp_path, text), tmp_path)


@pytest.mark.parametrize("info", ["", "pyton", "python norun", "console file=x", "bash"])
def test_unknown_info_strings_are_found(info: str) -> None:
    assert [block.problem() for block in blocks(f"```{info}\nx\n```\n")] != [None]
