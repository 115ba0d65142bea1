"""What an answer's model calls cost, and what the page is told of it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from ui_message_stream import jsontext

from usechat_server.agent import Agent
from usechat_server.metadata import Answer, Outcome, Step
from usechat_server.models.base import ModelStream, Usage
from usechat_server.turn import Turn

__all__ = ["Accounts"]

logger = logging.getLogger("usechat.run")

#: Bytes of text that are about one token.
_BYTES_PER_TOKEN = 4


class Accounts:
    """The calls of one answer. `said` gives the bytes of text that the answer has so far."""

    def __init__(self, turn: Turn, agent: Agent, said: Callable[[], int]) -> None:
        self._turn = turn
        self._agent = agent
        self._said = said
        #: bytes that were said before the call under way
        self._before = 0
        #: the last call that ended
        self._closed: ModelStream | None = None
        #: the calls that ended
        self.steps: list[Step] = []

    def close(self, stream: ModelStream) -> None:
        """A call ended, whichever way. A run may end before the next one began: this one is
        counted once."""
        if stream is self._closed:
            return
        self._closed = stream
        said = self._said()
        usage = stream.usage
        if stream.result is None and usage != Usage():
            # The provider counts the output at the end only.
            estimate = -(-(said - self._before) // _BYTES_PER_TOKEN)
            usage = replace(usage, output=max(usage.output or 0, estimate))
        self._before = said
        name = stream.details.get("model")
        self.steps.append(
            Step(
                name if isinstance(name, str) else self._agent.model.name,
                usage,
                stream.result.finish_reason if stream.result else None,
                stream.details,
            )
        )

    def metadata(self, outcome: Outcome) -> dict[str, Any] | None:
        """What the agent's hook says. Nothing, and a log line, if it fails: the answer goes on."""
        if self._agent.metadata is None:
            return None
        try:
            told = self._agent.metadata(Answer(self._turn, outcome, tuple(self.steps)))
            made = None if told is None else dict(told)
            jsontext.encode(made)
        except Exception:
            logger.exception("metadata= failed: the message gets none")
            return None
        return made
