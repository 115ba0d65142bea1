"""What a handler's run shares with the agents that the handler streams."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from ui_message_stream.messages import ToolPart

from usechat_server.approvals import Approvals
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import MetadataHook
from usechat_server.turn import RunContext

__all__ = ["Closable", "HandlerContext", "StreamedResponse"]


class Closable(Protocol):
    """An agent that the app closes when it shuts down."""

    async def aclose(self) -> None: ...


class StreamedResponse(Protocol):
    """The response of an agent that a handler streams."""

    def has_function(self, part: ToolPart) -> bool: ...

    def abort(self) -> None: ...


@dataclass(eq=False, slots=True)
class HandlerContext(RunContext):
    """The context of a handler's run. `agent.stream(turn)` reads it from the turn, so that the
    agent requests approvals as the app does and its model calls count for the run."""

    approvals: Approvals
    #: the agents that the handler streamed
    agents: WeakSet[Closable]
    #: the run's writer, which records what tools begin and end; None before the run starts
    writer: RunWriter | None = None
    #: the run's tracker; None before the run starts
    usage_tracker: UsageTracker | None = None
    #: the `metadata` hook of the agent that was streamed last
    metadata: MetadataHook | None = None
    #: ids of the continued message's open calls that one of the agents handles
    claimed_calls: set[str] = field(default_factory=set)
    #: the responses of the streamed agents
    loops: list[StreamedResponse] = field(default_factory=list)
