"""Who answers an app's turns: an agent, one that is chosen for each turn, or the app's code."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeAlias, cast
from weakref import WeakSet

from ui_message_stream.versions import missing

from usechat_server.agent import Agent
from usechat_server.approvals import Approvals
from usechat_server.compose import ChatHandler
from usechat_server.errors import RESTARTING, InvalidRequest, ServiceUnavailable
from usechat_server.loop.handler_context import Closable
from usechat_server.loop.loop import AgentLoop
from usechat_server.providers.retry import Retry
from usechat_server.runs.responder import HandlerResponder, Responder
from usechat_server.trust import check_client_outputs
from usechat_server.turn import Turn

__all__ = ["AgentHook", "AgentSource", "ResponderFactory"]

_RETRY = Retry()

#: Gives the agent of a turn.
AgentHook: TypeAlias = Callable[[Turn], Agent | Awaitable[Agent]]
#: An agent, a function of the turn that gives one, or one that writes the answer itself: it takes
#: the turn and a writer.
AgentSource: TypeAlias = Agent | AgentHook | ChatHandler


class ResponderFactory:
    """Finds who answers a turn. `approvals` is where agents ask whether a tool may run."""

    def __init__(self, source: AgentSource, approvals: Approvals) -> None:
        #: the agent of every turn; None: that depends on the turn
        self.agent = source if isinstance(source, Agent) else None
        self.approvals = approvals
        self._source = source
        #: those that were found for a turn, or streamed within the app's code
        self._agents: WeakSet[Closable] = WeakSet()

    @property
    def requires(self) -> frozenset[str]:
        """Chunk types without which what every answer needs cannot be shown."""
        return frozenset() if self.agent is None else self.agent.spec.required_chunk_types

    async def checked(self, turn: Turn, *, in_thread: bool) -> Responder:
        """Who answers a turn that a page sent, its history translated: what cannot be answered is
        refused before anything begins. Raises ChatError."""
        found = await self._find(turn)
        if not isinstance(found, Agent):
            return found
        if lost := missing(found.spec.required_chunk_types, turn.client_version):
            raise InvalidRequest(f"ai {turn.client_version} cannot read {', '.join(sorted(lost))}")
        spec = found.spec
        await check_client_outputs(
            turn, spec.tools, spec.sources, has_step_tools=spec.on_step is not None
        )
        stream = (
            await asyncio.to_thread(spec.first_call, turn) if in_thread else spec.first_call(turn)
        )
        return AgentLoop(spec, stream, _RETRY, self.approvals)

    async def again(self, turn: Turn) -> Responder:
        """Who goes on with a turn that was checked by another process. Raises ChatError for an
        app's code, which cannot begin in its middle."""
        found = await self._find(turn)
        if not isinstance(found, Agent):
            raise ServiceUnavailable(RESTARTING)
        return AgentLoop(found.spec, None, _RETRY, self.approvals)

    async def aclose(self) -> None:
        """Closes what agents opened in the running event loop. One that the app has let go of is
        the app's to close."""
        for agent in [*self._agents, *([self.agent] if self.agent else [])]:
            await agent.aclose()

    async def _find(self, turn: Turn) -> Agent | HandlerResponder:
        source = self._source
        if isinstance(source, Agent):
            return source
        if _writes(source):
            return HandlerResponder(cast("ChatHandler", source), self.approvals, self._agents)
        found = cast("AgentHook", source)(turn)
        agent = await found if inspect.isawaitable(found) else found
        if not isinstance(agent, Agent):
            raise TypeError(f"agent= returned {type(agent).__name__}: expected an Agent")
        self._agents.add(agent)
        return agent


def _writes(source: Callable[..., object]) -> bool:
    """Whether a function writes the answer itself, since it takes two arguments."""
    try:
        inspect.signature(source).bind(None, None)
    except TypeError:
        return False
    return True
