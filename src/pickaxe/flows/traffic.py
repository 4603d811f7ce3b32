"""The step `send_traffic`: real HTTP requests to a running server, and the log of what it answered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import Field

from pickaxe.kernel.config import Config
from pickaxe.kernel.errors import Unavailable
from pickaxe.kernel.step import StepContext

if TYPE_CHECKING:
    import httpx
    import pyarrow as pa

SERVER_VARIABLE = "PICKAXE_SERVER"


class TrafficConfig(Config):
    """How much of the held-out rows is sent, and how often a simulated user corrects a wrong answer."""

    endpoint: str
    home_requests: int = Field(1000, ge=1, description="requests with held-out rows of the task itself")
    first_row: int = Field(0, ge=0, description="held-out rows before this one were sent in an earlier round")
    foreign_requests: int = Field(500, ge=0, description="requests with rows of another source, sent afterwards")
    feedback_share: float = Field(0.5, ge=0, le=1, description="share of wrong answers that a simulated user corrects")


def send_traffic(ctx: StepContext, config: TrafficConfig) -> None:
    """Send the input `traffic`, then the input `foreign`, one text a request, to the server at ``PICKAXE_SERVER``.

    Input `model` is what answers, so that a new model is sent the traffic anew. Wrong answers to rows with a label are partly
    corrected through the feedback route, by a user who is *simulated* from these labels and called so.

    Output: table `traffic_log` (trace_id, text, label, confidence, source ``home``|``foreign``, at_ord). Raises `Unavailable`
    when no server answers.
    """
    import httpx
    import pyarrow as pa

    address = os.environ.get(SERVER_VARIABLE)
    if not address:
        raise Unavailable("there is no server to send traffic to", remedy=f"set {SERVER_VARIABLE} to its address")
    requests = [
        *_texts(ctx.inputs["traffic"].table().slice(config.first_row), "home", config.home_requests),
        *(_texts(ctx.inputs["foreign"].table(), "foreign", config.foreign_requests) if "foreign" in ctx.inputs else []),
    ]
    log: list[dict[str, Any]] = []
    corrected = wrong = 0
    with httpx.Client(base_url=address, timeout=30) as client:
        for at, (text, truth, source) in enumerate(requests):
            answer = _predict(client, config.endpoint, text, _trace_parent(ctx.seed, at))
            log.append(
                {
                    **{name: answer[name] for name in ("trace_id", "label", "confidence")},
                    "text": text,
                    "source": source,
                    "at_ord": at,
                }
            )
            if source == "home" and truth is not None and truth != answer["label"]:
                wrong += 1
                if corrected < wrong * config.feedback_share:
                    corrected += 1
                    _correct(client, answer, truth)
            ctx.progress(at + 1, len(requests), f"{source} traffic")
    ctx.metric("corrections", corrected)
    schema = [
        ("trace_id", pa.string()),
        ("text", pa.string()),
        ("label", pa.string()),
        ("confidence", pa.float64()),
        ("source", pa.string()),
        ("at_ord", pa.int64()),
    ]
    ctx.save_table("traffic_log", pa.Table.from_pylist(log, schema=pa.schema(schema)), kind="traces")


def _texts(rows: pa.Table, source: str, limit: int) -> list[tuple[str, str | None, str]]:
    return [(row["text"], row["label"], source) for row in rows.slice(0, limit).to_pylist()]


def _trace_parent(seed: int, at: int) -> str:
    """A W3C Trace Context of our own, so that the same run asks under the same trace ids."""
    digest = hashlib.sha256(f"{seed}:{at}".encode()).hexdigest()
    return f"00-{digest[:32]}-{digest[32:48]}-01"


def _predict(client: httpx.Client, endpoint: str, text: str, trace_parent: str) -> dict[str, Any]:
    reply = client.post(f"/v1/endpoints/{endpoint}/predict", json={"text": text}, headers={"traceparent": trace_parent})
    reply.raise_for_status()
    data = reply.json()["data"]
    return data["predictions"][0] | {"trace_id": data["trace_id"], "span_id": data["span_id"]}


def _correct(client: httpx.Client, answer: Mapping[str, Any], label: str) -> None:
    """The span says which answer is meant when a resumed run asked twice under one trace."""
    body = {
        "label": label,
        "by": "simulated-user",
        "span_id": answer["span_id"],
        "comment": "simulated from the data set's gold label",
    }
    client.post(f"/v1/traces/{answer['trace_id']}/feedback", json=body).raise_for_status()
