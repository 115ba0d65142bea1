"""Responders: an agent's loop, or an app's own handler, for one turn."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol, runtime_checkable
from weakref import WeakSet

from ui_message_stream.chunks import FinishReason
from ui_message_stream.messages import ToolPart

from usechat_server.approvals import Approvals
from usechat_server.compose import ChatHandler, StreamWriter
from usechat_server.loop.handler_context import Closable, HandlerContext
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import MetadataHook
from usechat_server.turn import Turn

__all__ = [
    "FailingResponder",
    "HandlerResponder",
    "Responder",
    "RunsTools",
    "agent_name",
    "refuse_takeover",
]


class Responder(Protocol):
    """Writes the response to one turn, in one run."""

    #: the model or the handler, for the log line
    name: str

    @property
    def metadata(self) -> MetadataHook | None:
        """Returns the message's metadata at the end of the run; None: there is none."""
        ...

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason | None:
        """Write the response.

        It is cancelled if the run ends before. An exception becomes an `error` chunk.

        Returns:
            The finish reason; None: the stream has none.
        """
        ...

    def abort(self) -> None:
        """Close the connections of model calls at once, as far as it can be done without waiting.
        `respond` is cancelled afterwards."""
        ...

    async def aclose(self) -> None:
        """Close what the response opened. Called once, after the log has its end, so that no reader
        waits for it and no cancellation interrupts it."""
        ...


@runtime_checkable
class RunsTools(Protocol):
    """A responder that runs tools."""

    def is_server_call(self, part: ToolPart) -> bool:
        """Whether an open call is one that this server runs, not the client."""
        ...


class FailingResponder:
    """Fails the run: the responder of its turn could not be created."""

    name = "none"
    metadata: MetadataHook | None = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason | None:
        raise self._error

    def abort(self) -> None:
        pass

    async def aclose(self) -> None:
        pass


async def refuse_takeover(turn: Turn) -> Responder:
    """Return a responder that fails the run, for an app that takes no runs over."""
    return FailingResponder(LookupError("this process cannot take over runs"))


class HandlerResponder:
    """Responds to one turn with an app's handler. The agents that the handler streams belong to the
    run: they share its approvals, and their model calls count."""

    def __init__(
        self, handler: ChatHandler, approvals: Approvals, agents: WeakSet[Closable]
    ) -> None:
        """Create the responder of one turn.

        Args:
            handler: The app's handler.
            approvals: Where streamed agents request approvals.
            agents: The streamed agents are added to it.
        """
        self.name: str = getattr(handler, "__name__", type(handler).__name__)
        self._context = HandlerContext(approvals, agents)
        self._handler = handler

    @property
    def metadata(self) -> MetadataHook | None:
        """The metadata hook of the last streamed agent."""
        return self._context.metadata

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason | None:
        self._context.usage_tracker, self._context.writer = usage, writer
        turn = replace(writer.turn, run_context=self._context)
        stream_writer = StreamWriter(writer.append, turn.client_version)
        await self._handler(turn, stream_writer)
        return stream_writer.finish_reason

    def is_server_call(self, part: ToolPart) -> bool:
        """Whether an open call is one of a function of a streamed agent. What the handler itself
        does about a call that it wrote is unknown."""
        return any(loop.has_function(part) for loop in self._context.loops)

    def abort(self) -> None:
        for loop in self._context.loops:
            loop.abort()

    async def aclose(self) -> None:
        # Cycles: what they refer to has the handler's turn, which has the context.
        self._context.usage_tracker = None
        self._context.loops.clear()


def agent_name(responder: Responder) -> str | None:
    """Return the name of a handler, for its span; an agent has none."""
    return responder.name if isinstance(responder, HandlerResponder) else None
