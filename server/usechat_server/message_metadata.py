"""The message metadata that the frontend gets of a run: tokens, of each model call and in all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from usechat_server.results import RunResult, Step, Usage, input_tokens, sum_counts
from usechat_server.turn import Turn

__all__ = ["step_metadata", "timing_metadata", "usage_metadata"]

#: A key of the provider's details on how a call ended → its key in the metadata.
_STOP = {
    "stop_reason": "stopReason",
    "stop_sequence": "stopSequence",
    "stop_details": "stopDetails",
}

_COUNTS = ("inputTokens", "outputTokens", "totalTokens")
_DETAILS = {
    "inputTokenDetails": ("noCacheTokens", "cacheReadTokens", "cacheWriteTokens"),
    "outputTokenDetails": ("textTokens", "reasoningTokens"),
}


def usage_metadata(result: RunResult) -> dict[str, Any] | None:
    """Return the tokens of the message as message metadata: `Agent(metadata=usage_metadata)`.

    Args:
        result: The result of the run.

    Returns:
        `{"usage": …}` with the counts of the AI SDK's `LanguageModelUsage` (`inputTokens` includes
        cached tokens), `estimated`, and `steps`, which has the same for each model call, with its
        `model` and `finishReason`. Earlier runs on the same message are included. None: no tokens
        were counted.

    Source: `LanguageModelUsage` in `ai/src/types/usage.ts`.
    """
    steps = [step_metadata(step) for step in result.steps if step.usage != Usage()]
    if not steps:
        return None
    steps = [*_earlier_steps(result.turn), *steps]
    total = _total([step["usage"] for step in steps])
    return {"usage": {**total, "steps": steps}}


def timing_metadata(result: RunResult) -> dict[str, Any]:
    """Return when things happened as message metadata: `Agent(metadata=timing_metadata)`.

    Args:
        result: The result of the run.

    Returns:
        `{"seconds": …, "requestId": …}`: the `seconds` of the result, and the id of the request.
    """
    return _without_none({"seconds": dict(result.seconds), "requestId": result.turn.request_id})


def step_metadata(step: Step) -> dict[str, Any]:
    """Return the element of `steps` in `usage_metadata` for a step."""
    metadata = {
        "model": step.model,
        "finishReason": step.finish_reason,
        **{name: step.details.get(key) for key, name in _STOP.items()},
    }
    return {
        **_without_none(metadata),
        "usage": {**_counts(step.usage), "estimated": step.estimated},
    }


def _counts(usage: Usage) -> dict[str, Any]:
    input_all = input_tokens(usage)
    known_text = usage.output is not None and usage.thinking is not None
    text = (usage.output or 0) - (usage.thinking or 0) if known_text else None
    return _without_none(
        {
            "inputTokens": input_all,
            "inputTokenDetails": _without_none(
                {
                    "noCacheTokens": usage.input,
                    "cacheReadTokens": usage.cache_read,
                    "cacheWriteTokens": usage.cache_write,
                }
            ),
            "outputTokens": usage.output,
            "outputTokenDetails": _without_none(
                {"textTokens": text, "reasoningTokens": usage.thinking}
            ),
            "totalTokens": sum_counts([input_all, usage.output]),
        }
    )


def _earlier_steps(turn: Turn) -> list[dict[str, Any]]:
    """Return the steps in the continued message's metadata. Without a store they come from the
    client, unverified, like the rest of the history."""
    metadata = turn.continued.metadata if turn.continued else None
    usage = metadata.get("usage") if isinstance(metadata, dict) else None
    steps = usage.get("steps") if isinstance(usage, dict) else None
    return [
        step
        for step in (steps if isinstance(steps, list) else [])
        if isinstance(step, dict) and isinstance(step.get("usage"), dict)
    ]


def _total(usages: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    details = {
        outer: _sums(
            [counts for usage in usages if isinstance(counts := usage.get(outer), dict)], names
        )
        for outer, names in _DETAILS.items()
    }
    estimated = any(usage.get("estimated") is True for usage in usages)
    return {**_sums(usages, _COUNTS), **details, "estimated": estimated}


def _sums(objects: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """Return the sum of each count."""
    return _without_none(
        {
            name: sum_counts([count for each in objects if type(count := each.get(name)) is int])
            for name in names
        }
    )


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}
