"""What the frontend is told of an answer beside its parts: the metadata of the message."""

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

#: finished: complete. waiting: complete, and the page has tool calls to answer. aborted: the last
#: reader left, or it was stopped. interrupted: the server went down. failed: everything else.
Outcome = Literal["finished", "waiting", "aborted", "interrupted", "failed"]

#: The provider's words for how a call ended → ours.
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
    """One model call."""

    #: as the provider names it
    model: str
    usage: Usage
    #: None: it was cut
    finish_reason: FinishReason | None = None
    #: the provider's own ids and words
    details: Mapping[str, Any] = field(default_factory=dict)

    @property
    def estimated(self) -> bool:
        """Whether the output is a guess: the provider counts it at the end."""
        return self.finish_reason is None and self.usage != Usage()


#: What `result.output` is: an instance of the agent's `output=` model.
OutputT = TypeVar("OutputT", bound=BaseModel, default=Any)


@dataclass(frozen=True, slots=True)
class RunResult(Generic[OutputT]):
    """What became of a run.

    `RunResult[Answer]` is that of an agent with `output=Answer`.
    """

    turn: Turn
    outcome: Outcome
    #: its model calls, also those that failed and were tried again
    steps: Sequence[Step]
    #: the object that the answer is, where the agent has `output=` and the answer is complete
    output: OutputT | None = None
    #: when, in seconds since the turn was taken: the model was `called`, `first_read` and
    #: `first_token` came from it, and `last_read` so far; what did not happen is left out
    seconds: Mapping[str, float] = field(default_factory=dict)
    #: why the message is complete; None: it is not, or nothing was said of it
    finish_reason: FinishReason | None = None

    @property
    def usage(self) -> Usage:
        """Tokens of all calls."""
        return total_usage(self.steps)


def total_usage(steps: Sequence[Step]) -> Usage:
    """Tokens of all calls; None where the provider said nothing of any."""
    names = [one.name for one in fields(Usage)]
    return Usage(**{name: _sum([getattr(step.usage, name) for step in steps]) for name in names})


#: Gives the metadata to send at an answer's end, JSON values; None: nothing. It must not wait.
#: The client merges it deeply into what the message has; only lists are replaced.
MetadataHook = Callable[[RunResult], Mapping[str, Any] | None]


def usage_metadata(answer: RunResult) -> dict[str, Any] | None:
    """`{"usage": …}`: the tokens of the message so far, of this and each earlier answer to it, with
    the names of the AI SDK's `LanguageModelUsage` (`inputTokens` include cached ones), `estimated`
    if any of it is, and `steps`: the same for each model call, its model and how it ended."""
    steps = [step_metadata(step) for step in answer.steps if step.usage != Usage()]
    if not steps:
        return None
    steps = [*_earlier(answer.turn), *steps]
    total = _total([step["usage"] for step in steps])
    return {"usage": {**total, "steps": steps}}


def step_metadata(step: Step) -> dict[str, Any]:
    """One element of the `steps` of `usage_metadata`."""
    told = {
        "model": step.model,
        "finishReason": step.finish_reason,
        **{ours: step.details.get(theirs) for theirs, ours in _STOP.items()},
    }
    return {**_known(told), "usage": {**_counts(step.usage), "estimated": step.estimated}}


def _counts(usage: Usage) -> dict[str, Any]:
    input_all = _sum([usage.input, usage.cache_read, usage.cache_write])
    known_text = usage.output is not None and usage.thinking is not None
    text = (usage.output or 0) - (usage.thinking or 0) if known_text else None
    return _known(
        {
            "inputTokens": input_all,
            "inputTokenDetails": _known(
                {
                    "noCacheTokens": usage.input,
                    "cacheReadTokens": usage.cache_read,
                    "cacheWriteTokens": usage.cache_write,
                }
            ),
            "outputTokens": usage.output,
            "outputTokenDetails": _known({"textTokens": text, "reasoningTokens": usage.thinking}),
            "totalTokens": _sum([input_all, usage.output]),
        }
    )


def _earlier(turn: Turn) -> list[dict[str, Any]]:
    """The steps that the continued message says it had. They come from the client, like the rest
    of the history."""
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
            [inside for usage in usages if isinstance(inside := usage.get(outer), dict)], names
        )
        for outer, names in _DETAILS.items()
    }
    estimated = any(usage.get("estimated") is True for usage in usages)
    return {**_sums(usages, _COUNTS), **details, "estimated": estimated}


def _sums(objects: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[str, int]:
    """The counts of these names, added up."""
    return _known(
        {
            name: _sum([count for one in objects if type(count := one.get(name)) is int])
            for name in names
        }
    )


def _sum(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


def _known(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one model call. None where the provider did not say."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    #: included in output; may be hidden from the user
    thinking: int | None = None
