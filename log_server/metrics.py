"""Figures for Prometheus, all named ``cvm_log_``. Served on a listener of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from http import HTTPStatus

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_1_0_0, generate_latest

from log_server import __version__
from log_server.errors import BusyError, LogError
from log_server.exchange import Answer, Operation, Request, Response, Route
from verifier.errors import AuditError

__all__ = ["Metrics"]

_BATCHES = (1, 4, 16, 64, 256, 1024, 4096, 8192)
_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Metrics:
    """Figures of one log. An ``intake.Observer``."""

    def __init__(self, *, size: int, timestamp: float, clock: Callable[[], float]) -> None:
        """``size`` and ``timestamp`` (seconds since 1970) of the head; ``clock`` gives seconds."""
        self._clock = clock
        self._registry = registry = CollectorRegistry(auto_describe=True)
        self._size = Gauge("cvm_log_tree_size", "Entries of the log", registry=registry)
        self._time = Gauge(
            "cvm_log_last_checkpoint_timestamp_seconds",
            "When the newest checkpoint was published",
            registry=registry,
        )
        self._adds = Counter(
            "cvm_log_adds", "Submitted entries by outcome", ["outcome"], registry=registry
        )
        self._published, self._refused, self._busy, self._stopped = (
            self._adds.labels(outcome) for outcome in ("published", "refused", "busy", "stopped")
        )
        self._batch = Histogram(
            "cvm_log_batch_entries", "Entries of a batch", buckets=_BATCHES, registry=registry
        )
        self._seconds = Histogram(
            "cvm_log_publish_seconds",
            "From a whole submission to the published checkpoint that covers it",
            buckets=_SECONDS,
            registry=registry,
        )
        self._outstanding = Gauge(
            "cvm_log_outstanding_entries", "Entries that wait for their answer", registry=registry
        )
        self._connections = Gauge("cvm_log_connections", "Open connections", registry=registry)
        build = Gauge("cvm_log_build_info", "Version", ["version"], registry=registry)
        build.labels(__version__).set(1)
        self._size.set(size)
        self._time.set(timestamp)

    @property
    def routes(self) -> tuple[Route, ...]:
        """What the listener for figures serves."""
        response = Response(
            status=HTTPStatus.OK,
            description="Prometheus text format",
            media_type=CONTENT_TYPE_PLAIN_1_0_0,
            schema={"type": "string"},
        )
        operation = Operation(
            name="metrics",
            summary="Figures for Prometheus",
            answer=self._answer,
            responses=(response,),
        )
        return (Route(path="/metrics", operations={"GET": operation}),)

    def watch(self, *, outstanding: Callable[[], int], connections: Callable[[], int]) -> None:
        """Ask these whenever figures are read."""
        self._outstanding.set_function(outstanding)
        self._connections.set_function(connections)

    def watch_cosignatures(self, *, age: Callable[[], float]) -> None:
        """Ask this, in seconds, whenever figures are read."""
        gauge = Gauge(
            "cvm_log_oldest_cosignature_age_seconds",
            "Age of the oldest cosignature that counts for what is published",
            registry=self._registry,
        )
        gauge.set_function(age)

    def published(self, *, seconds: Sequence[tuple[int, float]], size: int) -> None:
        """A batch is published; see ``intake.Observer``."""
        self._size.set(size)
        self._time.set(self._clock())
        entries = sum(count for count, _ in seconds)
        self._published.inc(entries)
        if entries:
            self._batch.observe(entries)
        for _, waited in seconds:
            self._seconds.observe(waited)

    def refused(self, *, entries: int, error: AuditError) -> None:
        """Entries were refused for what they are, or for the moment; see ``intake.Observer``."""
        if isinstance(error, BusyError):
            self._busy.inc(entries)
        elif isinstance(error, LogError):
            self._stopped.inc(entries)
        else:
            self._refused.inc(entries)

    def _answer(self, request: Request) -> Answer:
        del request
        content = generate_latest(self._registry)
        return Answer(HTTPStatus.OK, content, CONTENT_TYPE_PLAIN_1_0_0, ())
