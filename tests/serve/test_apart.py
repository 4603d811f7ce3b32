"""A model that never ends, or takes all memory, is its own endpoint's trouble: over real HTTP, with ONNX models made by hand."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
import pytest

from pickaxe.kernel.errors import BadInput
from pickaxe.kernel.ledger.tokens import tokens_of_thread
from pickaxe.kernel.nouns import Route
from pickaxe.kernel.predictors import load_predictor
from pickaxe.kernel.workspace import Workspace
from pickaxe.serve import published, running
from pickaxe.serve.apart import Apart, cpu_of_models_apart, memory_of_models_apart
from pickaxe.serve.backend import Model
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.errors import Busy, ModelFailed, ModelOverrun, TimedOut
from pickaxe.serve.running import Runner
from pickaxe.server import run
from tests.serve.fakes import MemoryStore, write_model
from tests.serve.onnx_models import never_ends, one_long_step, outside, sound, takes_all_memory, write_onnx
from tests.serve.processes import GOOD, POISON, busiest, eventually, processes, serving


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w") as opened:
        yield opened


def publish(workspace: Workspace, name: str, folder: Path) -> None:
    artifact = workspace.import_files(folder, f"{name}/{folder.name}", kind="model")
    workspace.publish(name, [Route(artifact.id)])


def test_it_answers_as_it_would_here_and_its_process_ends_with_the_server(workspace: Workspace, tmp_path: Path) -> None:
    folder, before = write_onnx(tmp_path / "sound", sound()), processes()
    publish(workspace, "headlines", folder)
    with serving(workspace) as client:
        data = client.answered("headlines")
        assert len(processes() - before) == 1
    expected = load_predictor(folder).predict_proba(GOOD)
    assert np.array([list(each["probabilities"].values()) for each in data["predictions"]]) == pytest.approx(expected, abs=1e-5)
    assert [each["label"] for each in data["predictions"]] == ["sarcastic", "serious"]
    assert processes() == before


def test_what_it_takes_is_metered_here(tmp_path: Path) -> None:
    folder = write_onnx(tmp_path / "sound", sound())
    model, tokens, cpu = Apart("it", lambda: folder, ServeConfig()), tokens_of_thread(), cpu_of_models_apart()
    model.predict_proba(GOOD)
    assert tokens_of_thread() - tokens == 5
    assert cpu_of_models_apart() > cpu
    assert memory_of_models_apart() > 20_000_000
    before = processes()
    del model
    assert len(before - processes()) == 1, "whoever lets go of a model ends its process"


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [never_ends, one_long_step])
def test_a_call_that_does_not_end_is_ended_and_the_model_answers_again(
    workspace: Workspace, tmp_path: Path, nodes: Callable[[], Any]
) -> None:
    publish(workspace, "headlines", write_onnx(tmp_path / "model", nodes()))
    with serving(workspace, predict_seconds=2) as client:
        assert client.labels("headlines") == ["sarcastic", "serious"]
        stuck = processes()
        refused = client.ask("headlines", POISON)
        assert (refused.status_code, refused.json()["error"]["code"]) == (504, "timed_out")
        assert "fewer or shorter texts" in refused.json()["error"]["remedy"]
        eventually(lambda: not stuck & processes())
        assert client.labels("headlines") == ["sarcastic", "serious"]


@pytest.mark.slow
def test_a_call_that_takes_all_memory_is_refused_and_the_model_answers_again(workspace: Workspace, tmp_path: Path) -> None:
    publish(workspace, "headlines", write_onnx(tmp_path / "model", takes_all_memory()))
    with serving(workspace, predict_seconds=280) as client:
        assert client.labels("headlines") == ["sarcastic", "serious"]
        refused = client.ask("headlines", POISON)
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "model_overrun")
        assert "2.1 GB" in refused.json()["error"]["expected"]
        assert client.labels("headlines") == ["sarcastic", "serious"]
    (failure,) = [event for event in workspace.events(kind="trace") if event.body["status"] != 200]
    assert (failure.body["status"], failure.body["texts"]) == (503, POISON)


@pytest.mark.slow
def test_while_one_is_stuck_the_others_answer_and_it_can_be_replaced(workspace: Workspace, tmp_path: Path) -> None:
    publish(workspace, "headlines", write_onnx(tmp_path / "model-1", never_ends()))
    publish(workspace, "reviews", write_onnx(tmp_path / "reviews", sound()))
    publish(workspace, "words", write_model(tmp_path / "words"))
    with serving(workspace, predict_seconds=280, reload_seconds=0.05) as client, ThreadPoolExecutor(8) as threads:
        assert client.labels("headlines") == ["sarcastic", "serious"]
        for name in ("reviews", "words"):
            client.answered(name)
        stuck: list[Future[httpx.Response]] = [threads.submit(client.ask, "headlines", POISON) for _ in range(2)]
        looping = busiest(processes)
        for _ in range(20):
            assert client.ask("reviews").status_code == client.ask("words").status_code == 200
        publish(workspace, "headlines", write_onnx(tmp_path / "model-2", sound()))
        eventually(lambda: client.served("headlines") == "headlines/model-2:1")
        assert client.labels("headlines") == ["sarcastic", "serious"]
        assert not any(each.done() for each in stuck)
        while not all(each.done() for each in stuck):  # each has its turn, in a new process
            with suppress(psutil.Error):
                looping.kill()
            looping = busiest(processes, stuck)
        assert {each.result().status_code for each in stuck} == {503}


@pytest.mark.slow
def test_a_model_that_never_answers_holds_up_no_start_and_no_other(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(published, "_START_SECONDS", 0.1)
    before = processes()
    publish(workspace, "stuck", write_onnx(tmp_path / "stuck", never_ends(on_word=False)))
    publish(workspace, "words", write_model(tmp_path / "words"))
    with serving(workspace, predict_seconds=2) as client:
        assert client.answered("words")
        assert not client.health()["ready"]
        eventually(lambda: "stuck" in client.health()["problems"])
        assert "was not done after 2 s" in client.health()["problems"]["stuck"]
        refused = client.ask("stuck")
        assert (refused.status_code, refused.json()["error"]["code"]) == (503, "unavailable")
    assert processes() == before


@pytest.mark.slow
def test_a_server_that_stops_ends_what_is_stuck(workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "_DRAIN_SECONDS", 1)
    before = processes()
    publish(workspace, "headlines", write_onnx(tmp_path / "model", never_ends()))
    with ThreadPoolExecutor(1) as threads:
        with serving(workspace, predict_seconds=280) as client:
            client.answered("headlines")
            stuck = threads.submit(client.ask, "headlines", POISON)
            busiest(lambda: processes() - before)
        assert processes() == before
        assert isinstance(stuck.exception(), httpx.HTTPError) or stuck.result().status_code >= 500


def test_a_model_does_not_read_files_of_others(tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(np.ones(1, dtype=np.float32).tobytes())
    for place in ("../secret.bin", str(tmp_path / "secret.bin")):
        folder = write_onnx(tmp_path / place.replace("/", "-").strip("."), *outside(place))
        with pytest.raises(BadInput, match="cannot be loaded"):
            Apart("it", lambda folder=folder: folder, ServeConfig()).load()


def test_a_process_that_goes_down_is_started_again(tmp_path: Path) -> None:
    folder, before = write_onnx(tmp_path / "sound", sound()), processes()
    model = Apart("it", lambda: folder, ServeConfig())
    model.load()
    (process,) = processes() - before
    process.kill()
    process.wait()
    with pytest.raises(ModelOverrun, match="or went down"):
        model.predict_proba(GOOD)
    assert model.predict_proba(GOOD).shape == (2, 2)
    model.close()
    with pytest.raises(ModelFailed, match="not served any more"):
        model.predict_proba(GOOD)
    assert processes() == before


class Stuck:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.classes: Sequence[str] = ("a", "b")
        self.let_go, self.asked = threading.Event(), threading.Event()
        self.let_go.set()

    def predict_proba(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.set()
        self.let_go.wait()
        return np.full((len(texts), 2), 0.5, dtype=np.float32)


def test_not_many_wait_for_a_model_that_takes_long(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    predictor = Stuck()
    model = Model.of(store.artifact("art-headlines/student-1"), predictor)
    predictor.let_go.clear()
    predictor.asked.clear()

    async def use() -> tuple[list[Any], list[Any]]:
        runner = Runner(model, ServeConfig(inline_ms=0, predict_seconds=280), ThreadPoolExecutor(1))
        first = asyncio.create_task(runner.probabilities(["x"]))
        await asyncio.to_thread(predictor.asked.wait)
        usual = [asyncio.create_task(runner.probabilities(["x"])) for _ in range(30)]
        await asyncio.sleep(0)
        monkeypatch.setattr(running, "_LATE_SECONDS", 0.0)
        late = await asyncio.gather(*(runner.probabilities(["x"]) for _ in range(5)), return_exceptions=True)
        predictor.let_go.set()
        return await asyncio.gather(first, *usual), late

    answers, late = asyncio.run(use())
    assert len(answers) == 31
    assert [type(each) for each in late] == [Busy] * 5


def test_a_call_that_was_ended_leaves_its_thread_free(tmp_path: Path) -> None:
    folder = write_onnx(tmp_path / "model", never_ends())
    model = Apart("it", lambda: folder, ServeConfig(predict_seconds=5))
    model.load()
    with pytest.raises(TimedOut, match="was not done after 5 s"):
        model.predict_proba(POISON)
    model.close()
