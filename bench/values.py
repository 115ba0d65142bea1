"""What measurements return."""

from __future__ import annotations

from typing import Any

__all__ = ["Values", "percentile"]

#: The measured values, by name.
Values = dict[str, Any]


def percentile(values: list[float], percent: float) -> float | None:
    """Return the value that this share of the values lies below, or None if there are none."""
    if not values:
        return None
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * percent / 100))]
