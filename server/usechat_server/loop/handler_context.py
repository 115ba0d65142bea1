"""What the agents that a handler streams share with the run."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol
from weakref import WeakSet

from usechat_server.approvals import Approvals
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.results import MetadataHook
from usechat_server.turn import RunContext

__all__ = ["Closable", "HandlerContext"]


class Closable(Protocol):
    """An agent, for the app to close at its shutdown."""

    async def aclose(self) -> None: ...


@dataclass(eq=False, slots=True)
class HandlerContext(RunContext):
    """One run of a handler. `agent.stream(turn)` finds it in the turn: approvals are requested as
    the app's other agents do, and model calls are counted as the run's."""

    approvals: Approvals
    #: the agents that were streamed
    agents: WeakSet[Closable]
    #: the run's; None before it started
    usage_tracker: UsageTracker | None = None
    #: of the agent that was streamed last
    metadata: MetadataHook | None = None
    #: the open calls of the continued message that one of the agents runs
    claimed_calls: set[str] = field(default_factory=set)
