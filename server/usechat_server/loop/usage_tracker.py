"""What an answer's model calls cost, and what the page is told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from pydantic import BaseModel
from ui_message_stream import json_codec

from usechat_server.providers.base import ModelStream
from usechat_server.results import MetadataHook, Outcome, RunResult, Step, Usage
from usechat_server.turn import Turn

__all__ = ["UsageTracker"]

logger = logging.getLogger("usechat.run")

#: Bytes of text that are about one token.
_BYTES_PER_TOKEN = 4


class UsageTracker:
    """The calls of one answer. `said` gives the bytes of text that the answer has so far, `seconds`
    when what happened. The calls of an answer that is `part_of` another one count there, too."""

    def __init__(
        self,
        turn: Turn,
        said: Callable[[], int],
        *,
        seconds: Callable[[], Mapping[str, float]] = dict,
        part_of: UsageTracker | None = None,
    ) -> None:
        self._turn = turn
        self._said = said
        self._seconds = seconds
        self._whole = part_of
        self._parts: list[UsageTracker] = []
        if part_of is not None:
            part_of._parts.append(self)
        #: bytes that were said before the call under way
        self._before = 0
        self._model = ""
        self._open = False
        #: the last call, under way or ended
        self.call: ModelStream | None = None
        #: the calls that ended
        self.steps: list[Step] = []
        #: the object that the answer is, where the agent has `output=`
        self.output: BaseModel | None = None

    def begin(self, call: ModelStream, model: str) -> None:
        """A call of that model begins; the one before has ended."""
        self.close()
        self.call, self._model, self._open = call, model, True
        if self._whole is not None:
            self._whole.call = call

    def close(self) -> None:
        """The call under way ended, whichever way. Nothing if there is none."""
        for part in self._parts:
            part.close()
        call = self.call
        if call is None or not self._open:
            return
        self._open = False
        said = self._said()
        usage = call.usage
        if call.result is None and usage != Usage():
            # The provider counts the output at the end only.
            estimate = -(-(said - self._before) // _BYTES_PER_TOKEN)
            usage = replace(usage, output=max(usage.output or 0, estimate))
        self._before = said
        name = call.details.get("model")
        step = Step(
            name if isinstance(name, str) else self._model,
            usage,
            call.result.finish_reason if call.result else None,
            call.details,
        )
        self.steps.append(step)
        if self._whole is not None:
            self._whole.steps.append(step)

    def result(self, outcome: Outcome) -> RunResult:
        """What became of it, for the app."""
        steps = tuple(self.steps)
        return RunResult(self._turn, outcome, steps, self.output, self._seconds())

    def metadata(self, hook: MetadataHook | None, outcome: Outcome) -> dict[str, Any] | None:
        """What the hook says. Nothing, and a log line, if it fails: the answer goes on."""
        if hook is None:
            return None
        try:
            told = hook(self.result(outcome))
            made = None if told is None else dict(told)
            json_codec.encode(made)
        except Exception:
            logger.exception("metadata= failed: the message gets none")
            return None
        return made
