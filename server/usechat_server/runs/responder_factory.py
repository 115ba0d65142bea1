"""Creates the responders of an app's turns."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias
from weakref import WeakSet

from ui_message_stream.versions import missing

from usechat_server.agent import Agent
from usechat_server.approvals import Approvals
from usechat_server.compose import ChatHandler
from usechat_server.errors import RESTARTING, InvalidRequest, ServiceUnavailable
from usechat_server.loop.handler_context import Closable
from usechat_server.loop.loop import AgentLoop
from usechat_server.results import OutputT
from usechat_server.runs.responder import HandlerResponder, Responder
from usechat_server.trust import check_client_outputs
from usechat_server.turn import BodyT, Turn

__all__ = ["APPROVALS_NEED_V6", "AgentHook", "ResponderFactory"]

logger: logging.Logger = logging.getLogger("usechat.app")

#: Logged once, when an app may request approvals of clients that give no sign of their version.
APPROVALS_NEED_V6 = (
    "tools that need approval require AI SDK 6: clients of AI SDK 5 fail at the request "
    '(Agent(approvals="client-tool") supports them)'
)

#: Returns the agent of a turn.
AgentHook: TypeAlias = Callable[[Turn[BodyT]], Agent[OutputT] | Awaitable[Agent[OutputT]]]


class ResponderFactory:
    """Creates the responder of each turn.

    Args:
        approvals: Where agents request the approval of a tool call.
        agent: The agent of every turn, or a function that returns the agent of a turn.
        handler: Writes the response itself. With neither of them, no responder can be created.
    """

    def __init__(
        self,
        approvals: Approvals,
        *,
        agent: Agent | AgentHook | None = None,
        handler: ChatHandler | None = None,
    ) -> None:
        #: the agent of every turn; None: it depends on the turn
        self.agent: Agent[Any] | None = agent if isinstance(agent, Agent) else None
        self.approvals = approvals
        self._agent_hook = None if isinstance(agent, Agent) else agent
        self._handler = handler
        self._has_warned = False
        #: agents that were chosen for a turn, or streamed by a handler
        self._agents: WeakSet[Closable] = WeakSet()

    @property
    def required_chunk_types(self) -> frozenset[str]:
        """Chunk types that every client of the app must support."""
        return frozenset() if self.agent is None else self.agent.spec.required_chunk_types

    async def for_request(
        self, turn: Turn, *, in_thread: bool, check: Callable[[Agent], None] | None = None
    ) -> Responder:
        """Create the responder of a turn that a client sent.

        The agent's first model call is built here: a turn that the model cannot respond to is
        refused before its run begins.

        Args:
            turn: The turn.
            in_thread: Whether to build the call in a thread, since the history is long.
            check: Raises ValueError for an agent that the client cannot use.

        Raises:
            ChatError: The model cannot respond to the turn.
        """
        source = await self._resolve(turn)
        if not isinstance(source, Agent):
            return source
        if check is not None and source is not self.agent:
            check(source)
        spec = source.spec
        if unsupported := missing(spec.required_chunk_types, turn.client_version):
            raise InvalidRequest(
                f"ai {turn.client_version} does not support {', '.join(sorted(unsupported))}"
            )
        await check_client_outputs(
            turn, spec.tools, spec.sources, has_step_tools=spec.on_step is not None
        )
        stream = (
            await asyncio.to_thread(spec.first_call, turn, self.approvals)
            if in_thread
            else spec.first_call(turn, self.approvals)
        )
        return AgentLoop(spec, stream, self.approvals)

    async def for_takeover(self, turn: Turn) -> Responder:
        """Create the responder of a turn that another process checked and began.

        Raises:
            ServiceUnavailable: A handler responds to the turn, which cannot continue half-way, or
                a route of the app, which is not known here.
        """
        if self.agent is None and self._agent_hook is None:
            raise ServiceUnavailable(RESTARTING)
        source = await self._resolve(turn)
        assert isinstance(source, Agent)  # noqa: S101
        return AgentLoop(source.spec, None, self.approvals)

    async def aclose(self) -> None:
        """Close what the agents opened in the running event loop. An agent that the app no longer
        references is the app's to close."""
        for agent in [*self._agents, *([self.agent] if self.agent else [])]:
            await agent.aclose()

    async def _resolve(self, turn: Turn) -> Agent | HandlerResponder:
        if self.agent is not None:
            return self.agent
        if self._handler is not None:
            return HandlerResponder(self._handler, self.approvals, self._agents)
        assert self._agent_hook is not None  # noqa: S101
        result = self._agent_hook(turn)
        agent = await result if inspect.isawaitable(result) else result
        if not isinstance(agent, Agent):
            raise TypeError(f"agent= returned {type(agent).__name__}: expected an Agent")
        is_silent = bool(turn.client_version.extra_chunk_types)
        if is_silent and agent.spec.requires_approval_requests and not self._has_warned:
            self._has_warned = True
            logger.info(APPROVALS_NEED_V6)
        self._agents.add(agent)
        return agent
