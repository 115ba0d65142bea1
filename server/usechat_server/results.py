"""What became of a run, and the message metadata that the frontend gets of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Generic, Literal

from pydantic import BaseModel
from typing_extensions import TypeVar
from ui_message_stream.chunks import FinishReason

from usechat_server.turn import Turn

__all__ = [
    "MetadataHook",
    "Outcome",
    "OutputT",
    "RunResult",
    "Step",
    "Usage",
    "step_metadata",
    "total_usage",
    "usage_metadata",
]

#: finished: the message is complete. waiting: it is, and the client has tool calls to resolve.
#: aborted: a client stopped the run, or the last reader left. interrupted: the server shut down.
#: failed: everything else.
Outcome = Literal["finished", "waiting", "aborted", "interrupted", "failed"]

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


@dataclass(frozen=True, slots=True)
class Step:
    """One model call of a run.

    Attributes:
        model: The model's name, as the provider gives it.
        usage: The tokens of the call.
        finish_reason: Why it ended; None: it was cut off.
        details: The provider's ids, timings and reasons, as JSON values.
    """

    model: str
    usage: Usage
    finish_reason: FinishReason | None = None
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def estimated(self) -> bool:
        """Whether the output tokens are an estimate: providers count them at the end of a call."""
        return self.finish_reason is None and self.usage != Usage()


#: What `result.output` is: an instance of the agent's `output=` model.
OutputT = TypeVar("OutputT", bound=BaseModel, default=Any)


@dataclass(frozen=True, slots=True)
class RunResult(Generic[OutputT]):
    """What became of a run, for `on_finish` and `metadata`.

    `RunResult[Answer]` is the result of an agent with `output=Answer`.

    Attributes:
        turn: The turn that the run responded to.
        outcome: How the run ended.
        steps: Its model calls in order, also those that failed and were retried.
        output: The instance of the agent's `output=` model, if the message is complete.
        seconds: When things happened, in seconds since the turn began: `called` (the first model
            call), `first_read` (its first byte), `first_token`, `last_read`. What did not happen is
            left out.
        finish_reason: Why the message is complete; None: it is not, or no reason was given.
    """

    turn: Turn
    outcome: Outcome
    steps: Sequence[Step]
    output: OutputT | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    finish_reason: FinishReason | None = None

    @property
    def usage(self) -> Usage:
        """The tokens of all steps."""
        return total_usage(self.steps)


def total_usage(steps: Sequence[Step]) -> Usage:
    """Return the tokens of all steps; a count is None if no provider reported it."""
    names = [count.name for count in fields(Usage)]
    return Usage(**{name: _sum([getattr(step.usage, name) for step in steps]) for name in names})


#: Returns the metadata to send at the end of a run, as JSON values; None: nothing is sent. It must
#: not block. The client merges it deeply into the message's metadata; lists are replaced.
MetadataHook = Callable[[RunResult], Mapping[str, Any] | None]


def usage_metadata(result: RunResult) -> dict[str, Any] | None:
    """Return the tokens of the message as message metadata: the default of `Agent(metadata=…)`.

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
    input_all = _sum([usage.input, usage.cache_read, usage.cache_write])
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
            "totalTokens": _sum([input_all, usage.output]),
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
            name: _sum([count for each in objects if type(count := each.get(name)) is int])
            for name in names
        }
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call, or of several. None: the provider did not report it.

    Attributes:
        input: Input tokens that were neither read from a cache nor written to it.
        output: Output tokens.
        cache_read: Input tokens read from the provider's cache.
        cache_write: Input tokens written to the provider's cache.
        thinking: The part of `output` that is thinking; it may be hidden from the user.
    """

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    thinking: int | None = None
