"""The server's token counts → Usage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from usechat_server.results import Usage

__all__ = ["merge_usage"]

#: What clients can represent, and databases store.
_MAX_COUNT = 2**53 - 1


def merge_usage(usage: Usage, counts: Any) -> Usage:
    """Return the usage updated by the counts of one chunk, which are totals so far.

    Input includes what was read from the cache and written to it, output includes the reasoning.
    """
    if not isinstance(counts, Mapping):
        return usage
    input_details = counts.get("prompt_tokens_details")
    total = _count(counts, "prompt_tokens")
    cache_read = _count(input_details, "cached_tokens")
    if cache_read is None:
        cache_read = _count(counts, "prompt_cache_hit_tokens")  # of DeepSeek
    cache_write = _count(input_details, "cache_write_tokens")
    output = _count(counts, "completion_tokens")
    thinking = _count(counts.get("completion_tokens_details"), "reasoning_tokens")
    if output is not None and thinking and _is_reasoning_extra(counts, total, output, thinking):
        output += thinking
    new = Usage(
        input=None if total is None else max(0, total - (cache_read or 0) - (cache_write or 0)),
        output=output,
        cache_read=cache_read,
        cache_write=cache_write,
        thinking=thinking,
    )
    return replace(usage, **{name: n for name, n in asdict(new).items() if n is not None})


def _is_reasoning_extra(
    counts: Mapping[str, Any], total_input: int | None, output: int, thinking: int
) -> bool:
    """Whether the reasoning is not part of the output, as xAI counts it: then only their sum is the
    total."""
    return _count(counts, "total_tokens") == (total_input or 0) + output + thinking


def _count(counts: Any, name: str) -> int | None:
    value = counts.get(name) if isinstance(counts, Mapping) else None
    return value if type(value) is int and 0 <= value <= _MAX_COUNT else None
