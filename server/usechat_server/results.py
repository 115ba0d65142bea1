"""The result of a run: its message, outcome and usage."""

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
    "input_tokens",
    "sum_counts",
    "total_usage",
]

#: finished: the message is complete. waiting: it is, and the client has tool calls to resolve.
#: aborted: a client stopped the run, or the last reader left. interrupted: the server shut down.
#: failed: everything else.
Outcome = Literal["finished", "waiting", "aborted", "interrupted", "failed"]


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
            call), `first_read` (its first byte), `first_token`, `first_write` (of it, to a client),
            `last_read`. What did not happen is left out.
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
    return Usage(
        **{name: sum_counts([getattr(step.usage, name) for step in steps]) for name in names}
    )


def input_tokens(usage: Usage) -> int | None:
    """Return the input tokens with those that were read from a cache or written to it."""
    return sum_counts([usage.input, usage.cache_read, usage.cache_write])


#: Returns the metadata to send at the end of a run, as JSON values; None: nothing is sent. It must
#: not block. The client merges it deeply into the message's metadata; lists are replaced.
MetadataHook = Callable[[RunResult], Mapping[str, Any] | None]


def sum_counts(counts: Sequence[int | None]) -> int | None:
    """Return the sum of the counts that are known; None if none is."""
    known = [count for count in counts if count is not None]
    return sum(known) if known else None


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
