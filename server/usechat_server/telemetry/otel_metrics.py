"""The instruments as those of OpenTelemetry."""

from __future__ import annotations

from typing import Any

from opentelemetry.metrics import MeterProvider

from usechat_server.telemetry.instruments import INSTRUMENTS, Instrument

__all__ = ["OTelMeter"]


class OTelMeter:
    """Records with the application's meter provider."""

    def __init__(self, provider: MeterProvider) -> None:
        from usechat_server import __version__

        meter = provider.get_meter("usechat_server", __version__)
        self._instruments: dict[str, Any] = {}
        for each in INSTRUMENTS:
            match each.kind:
                case "counter":
                    created: Any = meter.create_counter(each.name, each.unit, each.description)
                case "gauge":
                    created = meter.create_up_down_counter(each.name, each.unit, each.description)
                case "histogram":
                    created = meter.create_histogram(
                        each.name,
                        each.unit,
                        each.description,
                        explicit_bucket_boundaries_advisory=each.buckets,
                    )
            self._instruments[each.name] = created

    def add(self, instrument: Instrument, value: float, labels: tuple[str, ...]) -> None:
        pairs = zip(instrument.labels, labels, strict=True)
        attributes = {name: label for name, label in pairs if label}
        created = self._instruments[instrument.name]
        if instrument.kind == "histogram":
            created.record(value, attributes)
        else:
            created.add(value, attributes)
