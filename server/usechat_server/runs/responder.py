"""Who answers a turn: an agent's loop, or an app's own code."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol
from weakref import WeakSet

from ui_message_stream.chunks import FinishReason

from usechat_server.approvals import Approvals
from usechat_server.compose import ChatHandler, StreamWriter
from usechat_server.loop.handler_context import Closable, HandlerContext
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import MetadataHook
from usechat_server.turn import Turn

__all__ = ["FailingResponder", "HandlerResponder", "Responder", "refuse_takeover"]


class Responder(Protocol):
    """One answer to one turn, made for one run."""

    #: who answers, for the log line
    name: str

    @property
    def metadata(self) -> MetadataHook | None:
        """What the page is told at the end; None: nothing."""
        ...

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason | None:
        """Writes the answer. Why it is over; None: nothing is said of it.

        It is cancelled when the run ends before. Whatever it raises becomes an `error` chunk.
        """
        ...

    async def aclose(self) -> None:
        """Closes what the answer opened. Called once, after the log has its end, so that no reader
        waits for it and no cancellation cuts it."""
        ...


class FailingResponder:
    """Stands for whoever could not be found to answer: the answer is the error."""

    name = "nobody"
    metadata: MetadataHook | None = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason | None:
        raise self._error

    async def aclose(self) -> None:
        pass


async def refuse_takeover(turn: Turn) -> Responder:
    """For runs that are never those of another process."""
    return FailingResponder(LookupError("nobody answers a turn that another process began"))


class HandlerResponder:
    """Answers one turn with a function (see Answering). The agents that it streams belong to the
    run: they ask for approval by `approvals`, and their calls are counted."""

    def __init__(
        self, answer: ChatHandler, approvals: Approvals, agents: WeakSet[Closable]
    ) -> None:
        """`agents` gets those that it streams."""
        self.name = getattr(answer, "__name__", type(answer).__name__)
        self._context = HandlerContext(approvals, agents)
        self._answer = answer

    @property
    def metadata(self) -> MetadataHook | None:
        """The last streamed agent's."""
        return self._context.metadata

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason | None:
        self._context.usage_tracker = usage
        turn = replace(writer.turn, run_context=self._context)
        stream_writer = StreamWriter(writer.append, turn.client_version)
        await self._answer(turn, stream_writer)
        return stream_writer.finish_reason

    async def aclose(self) -> None:
        pass
