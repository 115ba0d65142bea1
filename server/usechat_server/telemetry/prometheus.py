"""The instruments as those of Prometheus, in the registry of its client library."""

from __future__ import annotations

import os
from functools import cache
from typing import Any

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, multiprocess
from prometheus_client.exposition import choose_encoder

from usechat_server.telemetry.instruments import INSTRUMENTS, Instrument

__all__ = ["PrometheusMeter", "exposition", "prometheus_meter"]


class PrometheusMeter:
    """Records in the default registry, in which the app may have metrics of its own."""

    def __init__(self) -> None:
        self._metrics = {each.name: _metric(each) for each in INSTRUMENTS}

    def add(self, instrument: Instrument, value: float, labels: tuple[str, ...]) -> None:
        metric = self._metrics[instrument.name]
        child = metric.labels(*labels) if instrument.labels else metric
        if instrument.kind == "histogram":
            child.observe(value)
        else:
            child.inc(value)


@cache
def prometheus_meter() -> PrometheusMeter:
    """Return the meter of this process: a name can be registered only once."""
    return PrometheusMeter()


def exposition(accept: str) -> tuple[bytes, str]:
    """Return the text of all metrics, of all processes if they share PROMETHEUS_MULTIPROC_DIR, and
    its media type. It reads files.

    Args:
        accept: The media types that the client accepts.
    """
    registry = REGISTRY
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        registry = CollectorRegistry()
        multiprocess.MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    encode, media_type = choose_encoder(accept)
    return encode(registry), media_type


def _metric(instrument: Instrument) -> Any:
    """Return the metric, by the names that OpenTelemetry's exporter would give it."""
    name = _name(instrument.name)
    labels = [_name(label) for label in instrument.labels]
    match instrument.kind:
        case "counter":
            return Counter(name, instrument.description, labels)
        case "gauge":
            return Gauge(name, instrument.description, labels, multiprocess_mode="livesum")
        case "histogram":
            return Histogram(
                f"{name}_seconds", instrument.description, labels, buckets=instrument.buckets
            )


def _name(name: str) -> str:
    return name.replace(".", "_")
