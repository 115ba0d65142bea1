"""The provider's counts of tokens → Usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from usechat_server.results import Usage

__all__ = ["counted"]

_NAMES = {
    "input": "input_tokens",
    "output": "output_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
}
#: What the model itself did within one call; an advisor's part is another model's.
_OWN = ("message", "compaction")


def counted(before: Usage, said: Mapping[str, Any] | None) -> Usage:
    """The counts with what an event says: each is the sum so far, an absent one has not changed."""
    said = said or {}
    known = {ours: said.get(theirs) for ours, theirs in _NAMES.items()}
    details = said.get("output_tokens_details")
    if isinstance(details, dict):
        known["thinking"] = details.get("thinking_tokens")
    known.update(_with_compaction(said.get("iterations")))
    return replace(before, **{key: n for key, n in known.items() if isinstance(n, int)})


def _with_compaction(iterations: Any) -> dict[str, Any]:
    """The counts as they are billed: beside the iterations, the API's own sums leave the tokens
    of a compaction out. (When another model stood in, they are right as they are.)"""
    if not isinstance(iterations, list):
        return {}
    each = [one for one in iterations if isinstance(one, dict)]
    own = [one for one in each if one.get("type") in _OWN]
    if not own or any(one.get("type") == "fallback_message" for one in each):
        return {}
    said = {
        ours: [count for one in own if isinstance(count := one.get(theirs), int)]
        for ours, theirs in _NAMES.items()
    }
    return {ours: sum(counts) for ours, counts in said.items() if counts}
