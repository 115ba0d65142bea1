"""UsageTracker: the model calls of a run, their tokens, and the metadata made of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any
from weakref import WeakSet

from pydantic import BaseModel
from ui_message_stream import json_codec
from ui_message_stream.chunks import FinishReason

from usechat_server.loop.metadata import hook_metadata
from usechat_server.providers.base import ModelStream
from usechat_server.results import MetadataHook, Outcome, RunResult, Step, Usage
from usechat_server.turn import Turn

__all__ = ["UsageTracker"]


#: Characters of a model's name, which the provider chooses and stores keep.
_NAME_LENGTH = 200
#: The largest count of tokens that clients can represent and databases store.
_MAX_COUNT = 2**53 - 1
#: Bytes of text that make about one token.
_BYTES_PER_TOKEN = 4


class UsageTracker:
    """Records the model calls of one run, or of one agent that a handler streams.

    Args:
        turn: The turn of the run.
        text_bytes: Returns how many bytes of text the message has so far.
        seconds: Returns the run's timings for its result.
        parent: The tracker of the run, which counts these calls as well.
    """

    def __init__(
        self,
        turn: Turn,
        text_bytes: Callable[[], int],
        *,
        seconds: Callable[[], Mapping[str, float]] = dict,
        parent: UsageTracker | None = None,
    ) -> None:
        self._turn = turn
        self._text_bytes = text_bytes
        self._seconds = seconds
        self._parent = parent
        self._children: WeakSet[UsageTracker] = WeakSet()
        if parent is not None:
            parent._children.add(self)
        #: bytes of text before the open call
        self._bytes_before = 0
        self._model = ""
        self._open = False
        #: the last call, open or ended
        self.call: ModelStream | None = None
        #: the calls that ended
        self.steps: list[Step] = []
        #: the structured output of an agent that has `output=`
        self.output: BaseModel | None = None

    def begin_call(self, call: ModelStream, model: str) -> None:
        """Record the start of a call, and the end of the one before.

        Args:
            call: The stream of the call.
            model: The name of the model, used if the provider does not give one.
        """
        self.end_call()
        self.call, self._model, self._open = call, model, True
        if self._parent is not None:
            self._parent.call = call

    def end_call(self) -> None:
        """Record the end of the open call, if there is one, whether complete or not."""
        for child in self._children:
            child.end_call()
        call = self.call
        if call is None or not self._open:
            return
        self._open = False
        text_bytes = self._text_bytes()
        usage = _valid_counts(call.usage)
        if call.result is None and usage != Usage():
            # The provider counts output tokens at the end of a call only.
            estimate = -(-(text_bytes - self._bytes_before) // _BYTES_PER_TOKEN)
            usage = replace(usage, output=max(usage.output or 0, estimate))
        self._bytes_before = text_bytes
        step = Step(
            _model_name(call.details.get("model")) or self._model,
            usage,
            call.result.finish_reason if call.result else None,
            call.details,
        )
        self.steps.append(step)
        if self._parent is not None:
            self._parent.steps.append(step)

    def result(self, outcome: Outcome, finish_reason: FinishReason | None = None) -> RunResult:
        """Return the result of the run for the app's hooks."""
        return RunResult(
            self._turn,
            outcome,
            tuple(self.steps),
            self.output,
            self._seconds(),
            finish_reason,
        )

    def metadata(
        self,
        hook: MetadataHook | None,
        outcome: Outcome,
        finish_reason: FinishReason | None = None,
    ) -> dict[str, Any] | None:
        """Return what the hook makes of the result; None if it fails, which is logged."""
        return hook_metadata("metadata", hook, self.result(outcome, finish_reason))


def _valid_counts(usage: Usage) -> Usage:
    """Return the usage without counts that no store could keep."""
    counts = asdict(usage)
    return Usage(
        **{name: n for name, n in counts.items() if type(n) is int and 0 <= n <= _MAX_COUNT}
    )


def _model_name(name: object) -> str:
    """Return a model's name as it can be stored; empty if the provider gave none."""
    if not isinstance(name, str):
        return ""
    return str(json_codec.replace_surrogates(name.replace("\0", "")[:_NAME_LENGTH]))
