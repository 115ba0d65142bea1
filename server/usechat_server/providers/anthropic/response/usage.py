"""The provider's token counts → Usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeGuard

from usechat_server.results import Usage

__all__ = ["merge_usage"]

#: Field of Usage → the API's name.
_API_NAMES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
}
#: Iterations of the model itself within one call; an advisor's tokens are another model's.
_OWN_ITERATIONS = ("message", "compaction")
#: What clients can represent, and databases store.
_MAX_COUNT = 2**53 - 1


def merge_usage(usage: Usage, counts: Mapping[str, Any] | None) -> Usage:
    """Return the usage updated by an event's counts.

    Each count is the total so far; an absent one has not changed.
    """
    counts = counts or {}
    values = {field: counts.get(api_name) for field, api_name in _API_NAMES.items()}
    details = counts.get("output_tokens_details")
    if isinstance(details, dict):
        values["thinking"] = details.get("thinking_tokens")
    values.update(_totals_with_compaction(counts.get("iterations")))
    return replace(usage, **{name: n for name, n in values.items() if _is_count(n)})


def _totals_with_compaction(iterations: Any) -> dict[str, Any]:
    """Return the totals as they are billed.

    The API's own totals leave out the tokens of a compaction, which only the iterations have.
    (When another model took over, the API's totals are right.)
    """
    if not isinstance(iterations, list):
        return {}
    all_iterations = [iteration for iteration in iterations if isinstance(iteration, dict)]
    own = [iteration for iteration in all_iterations if iteration.get("type") in _OWN_ITERATIONS]
    if not own or any(item.get("type") == "fallback_message" for item in all_iterations):
        return {}
    counts = {
        field: [n for iteration in own if _is_count(n := iteration.get(api_name))]
        for field, api_name in _API_NAMES.items()
    }
    totals = {field: sum(numbers) for field, numbers in counts.items() if numbers}
    return {field: total for field, total in totals.items() if _is_count(total)}


def _is_count(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _MAX_COUNT
