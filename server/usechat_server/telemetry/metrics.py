"""Records what is measured, for Prometheus and for OpenTelemetry. Without either: nothing."""

from __future__ import annotations

import logging
import sys
from functools import cache
from typing import Any, Protocol

from usechat_server.telemetry.instruments import Instrument

__all__ = ["Meter", "change", "install", "is_measured", "record"]

logger: logging.Logger = logging.getLogger("usechat.telemetry")


class Meter(Protocol):
    """Keeps values of instruments."""

    def add(self, instrument: Instrument, value: float, labels: tuple[str, ...]) -> None:
        """Add to a counter or a gauge, or add a value to a histogram.

        Args:
            instrument: The instrument.
            value: The value.
            labels: The values of its labels, in order; empty: it has none for this value.
        """
        ...


#: Those that the app's settings ask for.
_installed: list[Meter] = []


def install(meter: Meter) -> None:
    """Record what is measured with a meter, too. Idempotent."""
    if meter not in _installed:
        _installed.append(meter)


def is_measured() -> bool:
    """Whether anything is recorded."""
    return bool(_installed) or _otel_provider() is not None


def record(instrument: Instrument, value: float = 1, *labels: str) -> None:
    """Add to a counter, 1 unless it is said, or add a value to a histogram.

    Args:
        instrument: The instrument.
        value: The value.
        *labels: The values of the instrument's labels, in order; empty: there is none.
    """
    for meter in _installed:
        _add(meter, instrument, value, labels)
    if (provider := _otel_provider()) is not None:
        _add(_otel_meter(provider), instrument, value, labels)


#: Changes a gauge by an amount.
change = record


def _add(meter: Meter, instrument: Instrument, value: float, labels: tuple[str, ...]) -> None:
    try:
        meter.add(instrument, value, labels)
    except Exception:
        _log_lost()


@cache
def _log_lost() -> None:
    """Log, once, why a value could not be recorded."""
    logger.warning("a metric could not be recorded", exc_info=True)


def _otel_provider() -> Any:
    """Return the meter provider that the application has set; None: there is none. One of the API
    itself drops every value."""
    api = sys.modules.get("opentelemetry.metrics")
    if api is None:
        return None
    provider = api.get_meter_provider()
    is_real = not type(provider).__module__.startswith("opentelemetry.metrics")
    return provider if is_real else None


@cache
def _otel_meter(provider: Any) -> Meter:
    from usechat_server.telemetry.otel_metrics import OTelMeter

    return OTelMeter(provider)
