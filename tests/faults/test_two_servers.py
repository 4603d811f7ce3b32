"""Two servers in folders of their own over one PostgreSQL and one bucket: whoever is asked knows what the other was told.

``FAULTS_KILLS`` sets how often one of them is killed.
"""

from __future__ import annotations

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest

import pickaxe
from pickaxe.data.label.queue import Queue, create_queue
from pickaxe.kernel.access.principals import Access
from pickaxe.kernel.access.scopes import Role
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.upkeep.doctor import examine
from tests.faults.commands import until
from tests.faults.served import SEED, Server, Work
from tests.kernel import object_server
from tests.postgres import PostgresServer, new_server
from tests.serve.fakes import write_model

KILLS = int(os.environ.get("FAULTS_KILLS", "4"))

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200 + 60 * KILLS)]

PEOPLE = ("ann", "bob", "cyd", "dee")
ITEMS = 5_000


@pytest.fixture
def database() -> Iterator[PostgresServer]:
    made = new_server()
    yield made
    made.remove()


@dataclass
class Pair:
    """Two servers, and a key for each of `PEOPLE`, who are all editors; `boss` may do everything."""

    servers: tuple[Server, Server]
    keys: dict[str, str]

    def ask(self, which: int, who: str, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.keys[who]}"}
        return httpx.request(method, f"{self.servers[which].url}{path}", headers=headers, **more)


@pytest.fixture
def pair(database: PostgresServer, tmp_path: Path) -> Iterator[Pair]:
    settings = f'catalog = "{database.empty_url()}"\nobjects = "{object_server.url(tmp_path)}"\n'
    folders = [tmp_path / name for name in ("one", "other")]
    for folder in folders:
        folder.mkdir()
        (folder / "workspace.toml").write_text(settings)
    with pickaxe.open(folders[0]) as workspace:
        rows = workspace.import_table(
            pa.table({"row_key": [f"k{n}" for n in range(ITEMS)], "text": ["x"] * ITEMS}), "shared/rows"
        )
        create_queue(workspace, "shared", rows, labels=("yes", "no"))
        model = workspace.import_files(write_model(tmp_path / "model"), "shared/model", kind="model")
        workspace.publish("known", [Route(model.id)])
        access = Access.of(workspace.catalog)
        access.add_person(workspace.tenant_id, "boss", Role.ADMIN, password="a long password")
        keys: dict[str, str] = {}
        for name in ("boss", *PEOPLE):
            if name != "boss":
                access.add_person(workspace.tenant_id, name, Role.EDITOR, password="a long password")
            owner = access.person(workspace.tenant_id, name)
            _, keys[name] = access.keys.create(workspace.tenant_id, owner.id, "k", sorted(owner.role.scopes))
    with ExitStack() as started:
        servers = Server(folders[0]), Server(folders[1])
        for server in servers:
            started.callback(server.process.wait)
            started.callback(lambda server=server: server.process.kill())
        yield Pair(servers, keys)


def test_what_one_is_told_the_other_knows(pair: Pair) -> None:
    model = pair.ask(1, "ann", "GET", "/v1/artifacts/shared/model").json()["data"]["id"]
    made = pair.ask(0, "ann", "POST", "/v1/endpoints", json={"name": "fresh", "routes": [{"artifact": model}]})
    assert made.status_code == 201, made.text
    answered = pair.ask(1, "ann", "POST", "/v1/endpoints/fresh/predict", json={"text": "good"})
    assert answered.status_code == 200, answered.text
    trace = answered.json()["data"]["trace_id"]
    assert pair.ask(0, "ann", "POST", f"/v1/traces/{trace}/feedback", json={"label": "serious", "by": "ann"}).status_code < 300
    assert len(pair.ask(1, "ann", "GET", f"/v1/traces/{trace}").json()["data"]["feedback"]) == 1

    key = pair.ask(0, "boss", "POST", "/v1/keys", json={"name": "brief", "scopes": ["read"]}).json()["data"]
    pair.keys["brief"] = key["secret"]
    assert pair.ask(1, "brief", "GET", "/v1/runs").status_code == 200
    assert pair.ask(0, "boss", "DELETE", f"/v1/keys/{key['key']['id']}").status_code == 200
    assert pair.ask(1, "brief", "GET", "/v1/runs").status_code == 401


def test_an_answer_costs_two_cores_where_two_servers_answer(pair: Pair) -> None:
    """What 1,000 answers should cost is the same at both, twice that of one server, and that of one once the other is killed."""
    for number in range(40):
        assert pair.ask(number % 2, "boss", "POST", "/v1/endpoints/known/predict", json={"text": "good"}).status_code == 200

    def thousand(which: int) -> float:
        told = pair.ask(which, "boss", "GET", "/v1/endpoints/known/forecast").json()["data"]
        return told["meters"]["nano_thousand"]["middle"] / (1000 * told["server"]["nano_hour"]["middle"]) * 40 / 24

    # Each of them has taken its core a moment after it answers.
    until(lambda: [thousand(which) for which in (0, 1)] == pytest.approx([2, 2], rel=0.01), "both bear them")
    pair.servers[0].kill()
    until(lambda: thousand(1) == pytest.approx(1, rel=0.01), "the living one bears them alone")
    with pickaxe.open(pair.servers[1].place) as workspace:
        until(lambda: any(event.body.get("killed") for event in workspace.events(kind="served")), "the dead one is read")


def test_people_who_label_at_either_server_never_get_the_same_item_even_when_one_is_killed(pair: Pair) -> None:
    chance, stop, lock = random.Random(f"two servers {SEED}"), threading.Event(), threading.Lock()
    answers: list[tuple[str, str]] = []

    def label(who: str, number: int) -> bool:
        which = (number + PEOPLE.index(who)) % 2
        taken = pair.ask(which, who, "POST", "/v1/queues/shared/take", json={"ahead": 1})
        assert taken.status_code == 200, taken.text
        item = taken.json()["data"][0]
        given = pair.ask(
            1 - which, who, "POST", "/v1/queues/shared/answer", json={"row_key": item["row_key"], "value": "yes", "seconds": 1}
        )
        assert given.status_code == 200, given.text
        with lock:
            answers.append((item["row_key"], who))
        return True

    def predict(who: str, number: int) -> bool:
        return pair.ask(number % 2, who, "POST", "/v1/endpoints/known/predict", json={"text": "good"}).status_code == 200

    works = [Work(lambda number, who=who: label(who, number), stop) for who in PEOPLE]
    works.append(Work(lambda number: predict("boss", number), stop))
    for _ in range(KILLS):
        time.sleep(chance.uniform(1, 3))
        server = chance.choice(pair.servers)
        server.kill()
        time.sleep(chance.uniform(0, 2))
        server.start()
    known = [len(work.acknowledged) for work in works]
    until(lambda: all(len(work.acknowledged) > before + 5 for work, before in zip(works, known, strict=True)), "all go on")
    stop.set()
    for work in works:
        work.thread.join()
    assert [work.refused for work in works] == [[]] * len(works)
    print(f"{len(answers)} answers, {len(works[-1].acknowledged)} predictions through {KILLS} kills")

    assert max(Counter(key for key, _ in answers).values()) == 1, "an item was given to two people"
    assert [server.stop() for server in pair.servers] == [0, 0]
    with pickaxe.open(pair.servers[1].place) as workspace:
        kept = {(row.row_key, row.annotator) for row in Queue(workspace, "shared").answers()}
        assert set(answers) <= kept
        # An answer whose acknowledgement was lost is given again by the same person: no item has two.
        assert len({key for key, _ in kept}) == len(kept)
        spans = sum(event.name == "known" for event in workspace.log.each("trace"))
        assert spans >= len(works[-1].acknowledged)
        assert examine(workspace).sound
