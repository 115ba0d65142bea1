"""Turns answered by an agent in this process, one after another, and the page's side of them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import msgspec
from ui_message_stream.chunks import (
    Chunk,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputStart,
)
from ui_message_stream.messages import TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.state import StreamState
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.approvals import MemoryNonces, SignedApprovals
from usechat_server.coordination.base import ChatKey, Lease
from usechat_server.http.run_response import run_response
from usechat_server.loop.loop import AgentLoop
from usechat_server.results import RunResult
from usechat_server.runs import RetryPolicy, Run, Runs
from usechat_server.runs.hooks import Hooks
from usechat_server.runs.run import RunConfig
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost

__all__ = ["Scene", "ask", "call", "changed", "text", "tool_part"]

_KEY = ChatKey("ann", "c")


def ask(
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION, continued: UIMessage | None = None
) -> Turn:
    """A turn that asks something, or goes on with a message."""
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    messages = [question] if continued is None else [question, continued]
    return Turn(
        user="ann", chat_id="c", client_version=client_version, messages=messages, message_id="m"
    )


def text(said: str = "Done.", block: str = "0") -> list[Chunk]:
    """A text of the model."""
    return [TextStart(id=block), TextDelta(id=block, delta=said), TextEnd(id=block)]


def call(tool_call_id: str, tool_name: str, /, **arguments: Any) -> list[Chunk]:
    """A tool call of the model."""
    return [
        ToolInputStart(tool_call_id=tool_call_id, tool_name=tool_name),
        ToolInputDelta(tool_call_id=tool_call_id, input_text_delta="{"),
        ToolInputAvailable(tool_call_id=tool_call_id, tool_name=tool_name, input=arguments),
    ]


def tool_part(message: UIMessage, tool_call_id: str) -> ToolPart:
    [found] = [
        part
        for part in message.parts
        if isinstance(part, ToolPart) and part.tool_call_id == tool_call_id
    ]
    return found


def changed(message: UIMessage, tool_call_id: str, **fields: Any) -> UIMessage:
    """The message after the page, or a person, dealt with a call."""
    parts = [
        msgspec.structs.replace(part, **fields)
        if isinstance(part, ToolPart) and part.tool_call_id == tool_call_id
        else part
        for part in message.parts
    ]
    return msgspec.structs.replace(message, parts=parts)


class Scene:
    """An agent and one chat with it."""

    def __init__(
        self, agent: Agent, *, retry: RetryPolicy | None = None, resume: float = 0.0
    ) -> None:
        self.agent = agent
        self.approvals = SignedApprovals("secret", MemoryNonces())
        #: what `on_finish` was told
        self.answers: list[RunResult] = []
        self._retry = retry or RetryPolicy(attempts=3, first_wait=0.001)
        self._turns = 0
        hooks = Hooks(on_finish=self._finished)
        self.runs = Runs(RunConfig(idle_timeout=resume, hooks=hooks))

    async def begin(self, turn: Turn) -> Run:
        """Starts to answer; nobody reads it until `host`."""
        turn = replace(turn, decisions=await self.approvals.redeem(turn))
        self._turns += 1

        async def made(_: Lease) -> tuple[Turn, AgentLoop]:
            loop = AgentLoop(
                self.agent.spec, self.agent.spec.first_call(turn), self._retry, self.approvals
            )
            return turn, loop

        self.opened = await self.runs.start_or_join(_KEY, str(self._turns), made)
        [run] = self.runs.active_runs
        return run

    def host(
        self, client_version: ClientVersion = DEFAULT_CLIENT_VERSION, *, from_start: bool = False
    ) -> AsgiHost:
        """The client that asked; with `from_start`, one that comes back."""
        response = run_response(
            self.opened,
            self.runs.coordinator,
            _KEY,
            client_version,
            from_start=from_start,
            keep_alive=3600,
        )
        return AsgiHost(response)

    async def answer(self, turn: Turn) -> list[Chunk]:
        """The whole answer, as a client of the turn's client version has it. It is legal there."""
        await self.begin(turn)
        chunks = await self.host(turn.client_version).answer()
        grammar = StreamState(turn.continued, client_version=turn.client_version)
        for chunk in chunks:
            grammar.check(chunk)
        await self.settled()
        return chunks

    async def message(self, turn: Turn) -> UIMessage:
        """The message that the page then has."""
        return reduce(await self.answer(turn), turn.continued)

    async def settled(self) -> None:
        """Waits until the run and all that follows it is over."""
        await asyncio.wait_for(self.runs.drain(LONG), LONG)
        self.runs.draining = False

    async def _finished(self, answer: RunResult) -> None:
        self.answers.append(answer)
