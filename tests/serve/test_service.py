"""Routing, reloading, limits, and where a model's call runs."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pickaxe.kernel.access.scopes import LOCAL_TENANT
from pickaxe.kernel.errors import BadInput, Conflict, NotFound, Unavailable
from pickaxe.kernel.nouns import Route
from pickaxe.serve.backend import Model
from pickaxe.serve.config import ServeConfig
from pickaxe.serve.errors import Busy, ModelFailed, TimedOut
from pickaxe.serve.running import Runner
from pickaxe.serve.service import Answer, Serving
from pickaxe.serve.tracecontext import TraceContext, trace_context
from tests.serve.fakes import MemoryStore, WordsPredictor, write_model


def served(store: MemoryStore, use: Callable[[Serving], Awaitable[Any]], **config: Any) -> Any:
    """Run `use` against a started `Serving`."""

    async def run() -> Any:
        serving = Serving(store, ServeConfig(**config))
        await serving.start()
        try:
            return await use(serving)
        finally:
            await serving.stop()

    return asyncio.run(run())


def test_an_answer_is_the_models_and_its_trace_is_on_record(store: MemoryStore) -> None:
    context = trace_context(None)

    async def use(serving: Serving) -> Answer:
        return await serving.predict(LOCAL_TENANT, "headlines", ["Area man naps", "Senate votes"], context)

    answer = served(store, use)
    assert answer.labels == ["sarcastic", "serious"]
    assert answer.probs == [[0.2, 0.8], [1.0, 0.0]]
    (event,) = store.events(kind="trace", subject=context.trace_id)
    assert event.name == "headlines"
    assert event.value == event.body["ms"] == answer.ms
    assert {key: event.body[key] for key in ("endpoint", "artifact_id", "span_id", "texts", "labels", "probs", "status")} == {
        "endpoint": "headlines",
        "artifact_id": "art-headlines/student-1",
        "span_id": context.span_id,
        "texts": ["Area man naps", "Senate votes"],
        "labels": ["sarcastic", "serious"],
        "probs": [[0.2, 0.8], [1.0, 0.0]],
        "status": 200,
    }


@pytest.mark.parametrize(
    ("texts", "match"), [([], "0 texts"), (["a"] * 11, "11 texts"), (["a", "b" * 51], "text 1 is too long"), (["a\0b"], "NUL")]
)
def test_limits(store: MemoryStore, texts: list[str], match: str) -> None:
    async def use(serving: Serving) -> None:
        with pytest.raises(BadInput, match=match):
            await serving.predict(LOCAL_TENANT, "headlines", texts, trace_context(None))

    served(store, use, max_texts=10, max_chars=50)
    assert store.events(kind="trace") == []


def test_traffic_splits_by_weight_and_a_trace_keeps_its_route(store: MemoryStore, tmp_path: Path) -> None:
    first = store.artifact("art-headlines/student-1")
    second, unused = (store.add_model(write_model(tmp_path / f"model-{number}")) for number in (2, 3))
    store.publish("headlines", [Route(first.id, 3.0), Route(unused.id, 0.0), Route(second.id, 1.0)])

    async def use(serving: Serving) -> tuple[list[str], list[str]]:
        deployment = serving.deployments[LOCAL_TENANT, "headlines"]
        ids = [f"{number:032x}" for number in range(1, 4001)]

        def draw() -> list[str]:
            return [deployment.choose(trace_id).model.artifact.id for trace_id in ids]

        return draw(), draw()

    chosen, again = served(store, use)
    assert chosen == again
    # 4,000 draws at 1/4: standard deviation 27, so 5 of them is 137.
    assert abs(chosen.count(second.id) - 1000) < 137
    assert set(chosen) == {first.id, second.id}


def test_a_new_version_takes_over_without_dropping_a_request(store: MemoryStore, tmp_path: Path) -> None:
    newer = store.add_model(write_model(tmp_path / "model-2", word="senate"))

    async def use(serving: Serving) -> list[str]:
        models, answered = list[str](), asyncio.Event()

        async def ask() -> None:
            while not models or models[-1] != newer.id:
                answer = await serving.predict(LOCAL_TENANT, "headlines", ["senate"], trace_context(None))
                assert answer.labels == (["sarcastic"] if answer.model.artifact.id == newer.id else ["serious"])
                models.append(answer.model.artifact.id)
                answered.set()
                await asyncio.sleep(0.001)

        askers = [asyncio.create_task(ask()) for _ in range(4)]
        await answered.wait()
        store.publish("headlines", [Route(newer.id)])
        await asyncio.gather(*askers)
        return models

    models = served(store, use, reload_seconds=0.05)
    assert models[0] != newer.id
    assert models[-1] == newer.id


def test_a_broken_new_version_leaves_the_old_one_serving(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    broken = store.add_model(tmp_path / "empty")

    async def use(serving: Serving) -> str:
        store.publish("headlines", [Route(broken.id)])
        await serving.refresh()
        assert "not a model folder" in serving.problems[LOCAL_TENANT, "headlines"].message
        return (await serving.predict(LOCAL_TENANT, "headlines", ["x"], trace_context(None))).model.artifact.id

    assert served(store, use) == "art-headlines/student-1"


def test_an_endpoint_published_after_the_start_answers_at_once(store: MemoryStore) -> None:
    async def use(serving: Serving) -> list[str]:
        with pytest.raises(NotFound, match="no endpoint 'other'"):
            await serving.predict(LOCAL_TENANT, "other", ["x"], trace_context(None))
        store.publish("other", [Route("art-headlines/student-1")])
        return (await serving.predict(LOCAL_TENANT, "other", ["area"], trace_context(None))).labels

    assert served(store, use, reload_seconds=60) == ["sarcastic"]


def test_what_cannot_be_served_says_why(store: MemoryStore, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    store.publish("broken", [Route(store.add_model(tmp_path / "empty").id)])
    store.publish("paused", [Route("art-headlines/student-1")], state="paused")

    async def use(serving: Serving) -> None:
        with pytest.raises(Unavailable, match="cannot be loaded"):
            await serving.predict(LOCAL_TENANT, "broken", ["x"], trace_context(None))
        with pytest.raises(Conflict, match="not serving"):
            await serving.predict(LOCAL_TENANT, "paused", ["x"], trace_context(None))

    served(store, use)


def test_a_model_that_breaks_is_a_recorded_failure(store: MemoryStore, tmp_path: Path) -> None:
    store.publish("fragile", [Route(store.add_model(write_model(tmp_path / "model-2", breaks_on="dragon")).id)])
    context = trace_context(None)

    async def use(serving: Serving) -> None:
        with pytest.raises(ModelFailed, match="raised RuntimeError"):
            await serving.predict(LOCAL_TENANT, "fragile", ["here be dragons"], context)
        assert (await serving.predict(LOCAL_TENANT, "fragile", ["fine"], trace_context(None))).labels == ["serious"]
        assert serving.in_flight == 0

    served(store, use)
    (event,) = store.events(kind="trace", subject=context.trace_id)
    assert (event.body["status"], event.body["labels"]) == (500, [])


class Wrong:
    """Promises two classes and answers with something else."""

    classes: Sequence[str] = ("a", "b")

    def __init__(self, shape: tuple[int, ...], value: float) -> None:
        self.answer = np.full(shape, value)

    def predict_proba(self, texts: Any) -> np.ndarray:
        return self.answer


@pytest.mark.parametrize("predictor", [Wrong((1, 3), 0.3), Wrong((2, 2), 0.5), Wrong((1, 2), float("nan"))])
def test_an_answer_of_another_shape_is_refused(store: MemoryStore, predictor: Wrong) -> None:
    model = Model.of(store.artifact("art-headlines/student-1"), predictor)
    with pytest.raises(ModelFailed, match="no probability per class"):
        model.probabilities(["x"])


def slow_endpoint(store: MemoryStore, tmp_path: Path, **options: Any) -> None:
    store.publish("slow", [Route(store.add_model(write_model(tmp_path / "slow", **options)).id)])


def calls_of(runner: Runner) -> list[int]:
    assert isinstance(runner.model.predictor, WordsPredictor)
    return runner.model.predictor.calls


def test_a_slow_model_leaves_the_loop_free_and_answers_requests_together(store: MemoryStore, tmp_path: Path) -> None:
    slow_endpoint(store, tmp_path, sleep=0.03)

    async def use(serving: Serving) -> tuple[list[Answer], list[int]]:
        runner = serving.deployments[LOCAL_TENANT, "slow"].runners[0]
        assert runner.batches
        calls, original = calls_of(runner), runner.model.predictor.predict_proba
        before, turns = len(calls), 0

        def long(texts: Any) -> np.ndarray:
            """Takes until the loop went round five times meanwhile: a health check would have been answered."""
            came, ends = turns, time.monotonic() + 60
            while turns < came + 5:
                assert time.monotonic() < ends, "the model holds up the loop"
                time.sleep(0.001)
            return original(texts)

        runner.model.predictor.predict_proba = long  # type: ignore[method-assign]
        asked = asyncio.gather(
            *(serving.predict(LOCAL_TENANT, "slow", ["area"] * (1 + n % 2) + [f"{n}"], trace_context(None)) for n in range(20))
        )
        while not asked.done():
            await asyncio.sleep(0.001)
            turns += 1
        return await asked, calls[before:]

    answers, calls = served(store, use, max_batch_texts=30)
    assert [answer.labels for answer in answers] == [["sarcastic"] * (1 + n % 2) + ["serious"] for n in range(20)]
    assert sum(calls) == 50
    assert len(calls) <= 4  # one while the rest gathered, then groups of up to 30 texts
    assert max(calls) <= 30


def test_a_fast_model_is_not_batched_and_not_sent_to_a_thread(store: MemoryStore) -> None:
    async def use(serving: Serving) -> list[str]:
        runner = serving.deployments[LOCAL_TENANT, "headlines"].runners[0]
        assert not runner.batches
        seen: list[str] = []
        original = runner.model.predictor.predict_proba

        def spy(texts: Any) -> np.ndarray:
            seen.append(threading.current_thread().name)
            return original(texts)

        runner.model.predictor.predict_proba = spy  # type: ignore[method-assign]
        await asyncio.gather(*(serving.predict(LOCAL_TENANT, "headlines", ["x"], trace_context(None)) for _ in range(10)))
        return seen

    assert served(store, use, inline_ms=60_000) == [threading.current_thread().name] * 10


def test_one_requests_poison_does_not_spoil_the_batch(store: MemoryStore, tmp_path: Path) -> None:
    slow_endpoint(store, tmp_path, sleep=0.02, breaks_on="dragon")

    async def use(serving: Serving) -> list[Any]:
        texts = ["a", "b", "dragon", "c"]
        return await asyncio.gather(
            *(serving.predict(LOCAL_TENANT, "slow", [text], trace_context(None)) for text in texts), return_exceptions=True
        )

    results = served(store, use)
    assert [isinstance(result, ModelFailed) for result in results] == [False, False, True, False]


@pytest.mark.slow
def test_a_model_that_takes_too_long_is_given_up_on(store: MemoryStore, tmp_path: Path) -> None:
    slow_endpoint(store, tmp_path, text_sleep=0.1)

    async def use(serving: Serving) -> None:
        with pytest.raises(TimedOut, match=r"within 0\.1 s"):
            await serving.predict(LOCAL_TENANT, "slow", ["x"] * 20, trace_context(None))
        assert serving.in_flight == 0

    served(store, use, predict_seconds=0.1)


def test_more_requests_than_the_server_takes_are_told_to_come_back(store: MemoryStore, tmp_path: Path) -> None:
    slow_endpoint(store, tmp_path, sleep=0.03)

    async def use(serving: Serving) -> list[Any]:
        asked = (serving.predict(LOCAL_TENANT, "slow", ["x"], trace_context(None)) for _ in range(8))
        return await asyncio.gather(*asked, return_exceptions=True)

    results = served(store, use, max_in_flight=5)
    assert [isinstance(result, Busy) for result in results] == [False] * 5 + [True] * 3
    assert len(store.events(kind="trace")) == 5


def test_an_answer_without_a_durable_trace_is_withheld(store: MemoryStore) -> None:
    store.emit_error = OSError(28, "No space left on device")

    async def use(serving: Serving) -> None:
        with pytest.raises(Exception, match="could not be written"):
            await serving.predict(LOCAL_TENANT, "headlines", ["x"], TraceContext("a" * 32, "b" * 16))

    served(store, use)
