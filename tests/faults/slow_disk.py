"""A disk that takes its time: `fsync` and `fdatasync` of every process below wait first, by a library loaded before the C library."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

_SOURCE = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

%s

static int late(const char *name, int file) {
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    before();
    return real(file);
}
int fsync(int file) { return late("fsync", file); }
int fdatasync(int file) { return late("fdatasync", file); }
"""
_FOR_A_WHILE = """
static void before(void) {
    struct timespec wait = {SECONDS, NANOSECONDS};
    nanosleep(&wait, 0);
}
"""
_UNTIL_LET_GO = """
static void before(void) {
    static int number;
    char path[4096];
    struct timespec moment = {0, 5000000};
    snprintf(path, sizeof path, "%s/%d-%d", WAITING, getpid(), __sync_fetch_and_add(&number, 1));
    int made = open(path, O_CREAT | O_WRONLY, 0600);
    if (made < 0) return;
    close(made);
    while (access(path, F_OK) == 0) nanosleep(&moment, 0);
}
"""


def slow_down(monkeypatch: pytest.MonkeyPatch, folder: Path, seconds: float) -> None:
    """Processes started from now on wait `seconds` in every call that makes a file last. Skips where there is no C compiler."""
    whole, part = divmod(seconds, 1)
    _load(monkeypatch, folder, _FOR_A_WHILE, f"-DSECONDS={int(whole)}", f"-DNANOSECONDS={int(part * 1e9)}")


def hold_up(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """In every such call they wait as long as its file is in the folder that is returned, and do not while there is no such folder."""
    waiting = folder / "waiting"
    _load(monkeypatch, folder, _UNTIL_LET_GO, f'-DWAITING="{waiting}"')
    return waiting


def _load(monkeypatch: pytest.MonkeyPatch, folder: Path, before: str, *defined: str) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        pytest.skip("delaying fsync takes a C compiler")
    source, library = folder / "late.c", folder / "late.so"
    source.write_text(_SOURCE.replace("%s", before, 1), encoding="utf-8")
    subprocess.run([compiler, "-shared", "-fPIC", *defined, "-o", str(library), str(source), "-ldl"], check=True)
    monkeypatch.setenv("LD_PRELOAD", str(library))
