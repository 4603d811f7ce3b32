"""A disk that takes its time: `fsync` and `fdatasync` of every process below wait first, by a library loaded before the C library."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <time.h>

static int late(const char *name, int file) {
    struct timespec wait = {SECONDS, NANOSECONDS};
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    nanosleep(&wait, 0);
    return real(file);
}
int fsync(int file) { return late("fsync", file); }
int fdatasync(int file) { return late("fdatasync", file); }
"""


def slow_down(monkeypatch: pytest.MonkeyPatch, folder: Path, seconds: float) -> None:
    """Processes started from now on wait `seconds` in every call that makes a file last. Skips where there is no C compiler."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("delaying fsync takes a C compiler")
    source, library = folder / "late.c", folder / "late.so"
    source.write_text(_SOURCE, encoding="utf-8")
    whole, part = divmod(seconds, 1)
    amounts = [f"-DSECONDS={int(whole)}", f"-DNANOSECONDS={int(part * 1e9)}"]
    subprocess.run([compiler, "-shared", "-fPIC", *amounts, "-o", str(library), str(source), "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
