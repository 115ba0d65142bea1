"""JSON objects for a provider's API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["without_none"]


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the items whose value is not None."""
    return {key: value for key, value in values.items() if value is not None}
