"""Several processes that write one workspace on PostgreSQL: what they do at once adds up, and the dead are tidied up after."""

from __future__ import annotations

import signal
import threading
import time
from pathlib import Path

import pyarrow as pa
import pytest

from pickaxe.kernel.catalog.schema import pools
from pickaxe.kernel.errors import Conflict
from pickaxe.kernel.nouns import Route, RunState
from pickaxe.kernel.peers import Peers
from pickaxe.kernel.runs import GONE_AFTER
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.system.process import is_alive, this_process
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps
from tests.kernel.processes import line, python
from tests.postgres import lay_out, shared_server

pytestmark = pytest.mark.slow

_PEER = """
import sys
from pathlib import Path
import pyarrow as pa
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps
me = sys.argv[2]
with Workspace(Path(sys.argv[1]), settings=Settings(cores=1)) as workspace:
    print("ready")
    sys.stdin.readline()
    for number in range(40):
        workspace.emit("log", me, step=number)
        table = workspace.import_table(pa.table({"who": [me], "n": [number]}), f"{me}/rows") if number % 10 == 0 else table
    mine = workspace.run(steps.count, steps.Count(upto=int(me)), name=f"p{me}/count")["total"]
    workspace.publish(f"p{me}", [Route(mine.id)])
    workspace.publish("shared", [Route(mine.id)])
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return lay_out(tmp_path / "workspace", shared_server().fresh_url())


def test_two_processes_do_everything_at_once(place: Path) -> None:
    peers = [python(_PEER, place, number, stdin=-1) for number in (1, 2)]
    assert [line(peer) for peer in peers] == ["ready", "ready"]
    for peer in peers:
        assert peer.stdin is not None
        peer.stdin.write("go\n")
        peer.stdin.flush()
    assert [peer.wait(600) for peer in peers] == [0, 0]
    with Workspace(place, mode="r") as reader:
        for me in ("1", "2"):
            assert [event.step for event in reader.events(kind="log", subject=me)] == list(range(40))
            assert [item.version for item in reader.artifacts.list(prefix=f"{me}/rows")] == [1, 2, 3, 4]
            assert reader.read_table(reader.artifact(f"{me}/rows:4")).to_pylist() == [{"who": me, "n": 30}]
        assert {endpoint.name for endpoint in reader.endpoints()} == {"p1", "p2", "shared"}
        assert {run.state for run in reader.runs.list()} == {RunState.SUCCEEDED}
        statements = reader.ledger.statements()
        assert len(statements) == 2
        assert all(item.charged + item.idle == item.cost and item.charged > 0 for item in statements)


def test_events_show_in_the_order_of_their_numbers(place: Path) -> None:
    """Who pages by number misses none: no event shows up below a number that was seen."""
    with Workspace(place, settings=Settings(cores=1)) as workspace:
        done = threading.Event()
        seen: list[int] = []

        def follow() -> None:
            page, ended = [], False
            while page or not ended:
                ended = done.is_set()  # asked before reading: what was written before it was set is read after it
                page = workspace.events(kind="log", after_seq=seen[-1] if seen else 0)
                seen.extend(event.seq for event in page)

        def write(who: int) -> None:
            for number in range(60):
                workspace.emit_many([{"kind": "log", "subject": str(who), "step": number}] * (1 + number % 3))

        follower = threading.Thread(target=follow)
        follower.start()
        writers = [threading.Thread(target=write, args=(who,)) for who in range(4)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join()
        done.set()
        follower.join()
        assert len(seen) == 4 * 120
        assert seen == sorted(seen)


def test_of_several_who_start_the_same_run_one_gets_it(place: Path) -> None:
    with Workspace(place, settings=Settings(cores=1)) as one, Workspace(place, settings=Settings(cores=1)) as other:
        first = one.submit(steps.count, steps.Count(upto=3, nap=1.0), name="t/count")
        with pytest.raises(Conflict, match="cannot become queued"):
            other.submit(steps.count, steps.Count(upto=3, nap=1.0), name="t/count")
        made = first.result()
        again = other.run(steps.count, steps.Count(upto=3, nap=1.0), name="t/count")
        assert again.cached
        assert again["total"].id == made["total"].id
        assert one.runs.get(made.run.id).attempt == 1


_KILLED = """
import sys
from pathlib import Path
from pickaxe.kernel.settings import Settings
from pickaxe.kernel.workspace import Workspace
from tests.kernel import sample_steps as steps
workspace = Workspace(Path(sys.argv[1]), settings=Settings(cores=1))
workspace.submit(steps.hog, steps.Hog(megabytes=1), name="t/running")
waiting = workspace.submit(steps.hog, steps.Hog(megabytes=2), name="t/waiting")
while not any(run.state == "running" for run in workspace.runs.list()): pass
print("under way")
waiting.result()
"""


def _until_interrupted(workspace: Workspace, run_id: str) -> None:
    """By the look that the test takes, or by the one that a workspace takes by itself every few seconds."""
    ends = time.monotonic() + 300
    while workspace.runs.get(run_id).state is not RunState.INTERRUPTED:
        assert time.monotonic() < ends
        time.sleep(0.02)


def test_a_killed_peer_is_noticed_by_the_living(place: Path) -> None:
    with Workspace(place, settings=Settings(cores=1)) as living:
        peer = python(_KILLED, place)
        assert line(peer) == "under way"
        assert living.stores.peers is not None
        assert living.stores.peers.look(now=True) == []
        peer.send_signal(signal.SIGKILL)
        peer.wait()
        running = next(run for run in living.runs.list() if run.name == "t/running")
        living.stores.peers.look(now=True)
        _until_interrupted(living, running.id)
        statements = living.ledger.statements()
        assert len(statements) == 2
        assert all(item.charged + item.idle == item.cost for item in statements)


def test_a_silent_peer_is_given_up_and_may_come_back(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that lost its network: others take its run; when it is back its pool goes on, its attempt does not count."""
    with Workspace(place, settings=Settings(cores=1)) as silent, Workspace(place, settings=Settings(cores=1)) as other:
        spec = silent.spec(steps.count, steps.Count(upto=1), name="t/count", inputs={})
        silent.runs.queue(spec)
        lost = silent.runs.start(spec.run_id)
        silent.ledger.grant(silent.stores.pool_id, lost.id, 1)
        silent.stores.pools.beat(silent.stores.pool_id)
        with silent.catalog.write() as connection:  # as if on a machine that cannot be looked at from here
            far_away = pools.update().where(pools.c.id == silent.stores.pool_id)
            connection.execute(far_away.values(machine={**this_process(), "numbering": "far away"}))
        monkeypatch.setattr(other.catalog._database, "up_since_ns", lambda: 0)
        later = other.catalog.clock.now_ns() + 2 * int(GONE_AFTER.total_seconds()) * 10**9
        with monkeypatch.context() as patch:
            patch.setattr(other.catalog.clock, "now_ns", lambda: later)
            Peers(other.catalog, other.stores.pools).look(now=True)
            _until_interrupted(other, lost.id)
        taken = other.run(steps.count, steps.Count(upto=1), name="t/count")
        assert taken.run.attempt == 2
        with silent.catalog.write() as connection, pytest.raises(Conflict):
            silent.runs.succeed(connection, spec, {}, attempt=lost.attempt)
        silent.stores.pools.beat(silent.stores.pool_id)
        assert all(item.charged + item.idle == item.cost for item in silent.ledger.statements())
        assert silent.ledger.statements()[0].charged > 0


def test_no_peer_is_given_up_while_the_database_was_away(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Workspace(place, settings=Settings(cores=1)) as one, Workspace(place, settings=Settings(cores=1)) as other:
        database, later = other.catalog._database, other.catalog.clock.now_ns() + 3600 * 10**9
        monkeypatch.setattr(other.catalog.clock, "now_ns", lambda: later)
        monkeypatch.setattr(database, "up_since_ns", lambda: later - 10**9)  # it has only just come back
        assert other.stores.peers is not None
        other.stores.peers.look(now=True)
        assert one.emit("log", "still here") is None
        with one.catalog.read() as connection:
            assert connection.execute(pools.select().where(pools.c.closed_ns.is_not(None))).all() == []


def test_processes_are_told_apart() -> None:
    me = this_process()
    assert is_alive(me)
    assert is_alive(me | {"started": me["started"] - 1000}) is False
    assert is_alive(me | {"numbering": "another machine"}) is None
    assert is_alive({}) is None
    ended = python("pass")
    ended.wait()
    assert is_alive(me | {"pid": ended.pid}) is False


def test_tables_written_by_many_threads_and_processes_all_arrive(place: Path) -> None:
    with Workspace(place, settings=Settings(cores=1)) as one, Workspace(place, settings=Settings(cores=1)) as other:

        def write(workspace: Workspace, name: str) -> None:
            for number in range(5):
                workspace.import_table(pa.table({"n": [number]}), f"t/{name}")

        threads = [threading.Thread(target=write, args=(one if n % 2 else other, f"rows{n}")) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        for n in range(4):
            assert one.read_table(one.artifact(f"t/rows{n}:5")).to_pylist() == [{"n": 4}]
        one.publish("t", [Route(one.artifact("t/rows1").id)])
