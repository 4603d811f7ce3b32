"""Prometheus text exposition (format 0.0.4, or OpenMetrics by Accept) of what a server does."""

from __future__ import annotations

from collections import Counter as Tally
from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import GaugeMetricFamily, InfoMetricFamily, Metric
from prometheus_client.registry import Collector

from pickaxe.serve.service import Answer, Serving

_BUCKETS = (0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class Metrics:
    """Counts of one server, in a registry of its own (several servers may live in one process)."""

    def __init__(self, version: str) -> None:
        self.registry = CollectorRegistry()
        self._version = version
        self._serving: Serving | None = None
        self._requests = Counter(
            "pickaxe_requests",
            "Requests answered, by route, endpoint and status",
            ["route", "tenant", "endpoint", "status"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "pickaxe_request_seconds",
            "Time from a request's first byte to its last, by route and endpoint",
            ["route", "tenant", "endpoint"],
            buckets=_BUCKETS,
            registry=self.registry,
        )
        self._texts = Counter(
            "pickaxe_texts",
            "Texts classified, by endpoint, model version and label",
            ["tenant", "endpoint", "artifact_id", "label"],
            registry=self.registry,
        )
        self._predict = Histogram(
            "pickaxe_predict_seconds",
            "Time from a parsed request to its prediction, waiting for the model included",
            ["tenant", "endpoint", "artifact_id"],
            buckets=_BUCKETS,
            registry=self.registry,
        )

    def watch(self, serving: Serving) -> None:
        """Show the state of `serving` at each scrape."""
        self._serving = serving
        self.registry.register(self)

    def requested(self, route: str, tenant: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one request. `tenant` and `endpoint` are known ones or empty, so that strangers cannot grow the series."""
        self._requests.labels(route, tenant, endpoint, str(status)).inc()
        self._seconds.labels(route, tenant, endpoint).observe(seconds)

    def answered(self, answer: Answer) -> None:
        """Count one prediction (see `pickaxe.serve.service.Observer`)."""
        artifact_id = answer.model.artifact.id
        for label, texts in Tally(answer.labels).items():
            self._texts.labels(answer.tenant_id, answer.endpoint, artifact_id, label).inc(texts)
        self._predict.labels(answer.tenant_id, answer.endpoint, artifact_id).observe(answer.ms / 1000)

    def expose(self, accept: str, tenant_id: str | None = None) -> tuple[bytes, str]:
        """The exposition and its content type; with a tenant, without the series of others."""
        encoder, content_type = choose_encoder(accept)
        if tenant_id is None:
            return encoder(self.registry), content_type
        shown = CollectorRegistry()
        shown.register(_OfTenant(self.registry, tenant_id))
        return encoder(shown), content_type

    def collect(self) -> Iterator[Metric]:
        """What is true at this moment, asked by the registry at each scrape."""
        build = InfoMetricFamily("pickaxe_build", "The server's version")
        build.add_metric([], {"version": self._version})
        yield build
        if self._serving is None:
            return
        in_flight = GaugeMetricFamily("pickaxe_in_flight", "Predictions under way")
        in_flight.add_metric([], self._serving.in_flight)
        yield in_flight
        unwritten = GaugeMetricFamily("pickaxe_traces_waiting", "Answers held back until their trace is written")
        unwritten.add_metric([], self._serving.journal.waiting)
        yield unwritten
        queue = GaugeMetricFamily(
            "pickaxe_queue", "Requests waiting for a busy model", labels=["tenant", "endpoint", "artifact_id"]
        )
        share = GaugeMetricFamily(
            "pickaxe_model",
            "Share of an endpoint's traffic, by model version",
            labels=["tenant", "endpoint", "artifact_id", "ref"],
        )
        for name, deployment in self._serving.deployments.items():  # tenant and endpoint
            before = 0.0
            for runner, bound in zip(deployment.runners, deployment.bounds, strict=True):
                artifact = runner.model.artifact
                queue.add_metric([*name, artifact.id], runner.waiting)
                share.add_metric([*name, artifact.id, artifact.ref], bound - before)
                before = bound
        yield queue
        yield share
        broken = GaugeMetricFamily(
            "pickaxe_endpoint_problem", "1 for an endpoint whose newest routes could not be loaded", labels=["tenant", "endpoint"]
        )
        for name in self._serving.problems:
            broken.add_metric([*name], 1)
        yield broken


class _OfTenant(Collector):
    """What a registry shows, less the series that belong to other tenants."""

    def __init__(self, registry: CollectorRegistry, tenant_id: str) -> None:
        self._registry = registry
        self._theirs = ("", tenant_id)

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            shown = Metric(family.name, family.documentation, family.type, family.unit)
            shown.samples = [sample for sample in family.samples if sample.labels.get("tenant", "") in self._theirs]
            if shown.samples:
                yield shown
