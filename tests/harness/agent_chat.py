"""AgentChat: a chat with an agent, without HTTP. Helpers for turns, chunks and messages."""

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
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.http.run_response import run_response
from usechat_server.loop.loop import AgentLoop
from usechat_server.providers.retry import RetryPolicy
from usechat_server.results import RunResult
from usechat_server.run_log.encoding import ui_message_stream
from usechat_server.runs import RunLimits, Runs
from usechat_server.runs.config import RunConfig
from usechat_server.runs.hooks import Hooks
from usechat_server.runs.run import Run
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost

__all__ = ["AgentChat", "call_chunks", "make_turn", "text_chunks", "tool_part", "with_part"]

_KEY = ChatKey("ann", "c")


def make_turn(
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION, continued: UIMessage | None = None
) -> Turn:
    """Return a turn with one question, or one that continues a message."""
    question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
    messages = [question] if continued is None else [question, continued]
    return Turn(
        user="ann", chat_id="c", client_version=client_version, messages=messages, message_id="m"
    )


def text_chunks(text: str = "Done.", block: str = "0") -> list[Chunk]:
    """Return a text block of the model."""
    return [TextStart(id=block), TextDelta(id=block, delta=text), TextEnd(id=block)]


def call_chunks(tool_call_id: str, tool_name: str, /, **arguments: Any) -> list[Chunk]:
    """Return a tool call of the model."""
    return [
        ToolInputStart(tool_call_id=tool_call_id, tool_name=tool_name),
        ToolInputDelta(tool_call_id=tool_call_id, input_text_delta="{"),
        ToolInputAvailable(tool_call_id=tool_call_id, tool_name=tool_name, input=arguments),
    ]


def tool_part(message: UIMessage, tool_call_id: str) -> ToolPart:
    """Return the part of a tool call."""
    [part] = [
        part
        for part in message.parts
        if isinstance(part, ToolPart) and part.tool_call_id == tool_call_id
    ]
    return part


def with_part(message: UIMessage, tool_call_id: str, **fields: Any) -> UIMessage:
    """Return the message with other fields in the part of a tool call, as a client sets them."""
    parts = [
        msgspec.structs.replace(part, **fields)
        if isinstance(part, ToolPart) and part.tool_call_id == tool_call_id
        else part
        for part in message.parts
    ]
    return msgspec.structs.replace(message, parts=parts)


class AgentChat:
    """One chat with an agent."""

    def __init__(
        self,
        agent: Agent,
        *,
        retry: RetryPolicy | None = None,
        idle_timeout: float = 0.0,
        limits: RunLimits | None = None,
    ) -> None:
        self.agent = agent
        self.approvals = SignedApprovals("secret", MemoryNonces())
        #: the arguments of `on_finish`
        self.results: list[RunResult] = []
        self._retry = retry or RetryPolicy(attempts=3, first_wait=0.001)
        self._turns = 0
        hooks = Hooks(on_finish=self._on_finish)
        self.runs = Runs(RunConfig(idle_timeout, None, hooks, limits or RunLimits()))

    async def start_run(self, turn: Turn) -> Run:
        """Start the run of a turn. No client reads it until `connect`."""
        turn = replace(turn, decisions=await self.approvals.redeem(turn))
        self._turns += 1

        async def begin(_: Lease) -> tuple[Turn, AgentLoop]:
            spec, approvals = self.agent.spec, self.approvals
            stream = spec.first_call(turn, approvals)
            loop = AgentLoop(spec, stream, approvals, retry=self._retry)
            return turn, loop

        self.subscription = await self.runs.start_or_join(_KEY, str(self._turns), begin)
        [run] = self.runs.active_runs
        return run

    def connect(
        self, client_version: ClientVersion = DEFAULT_CLIENT_VERSION, *, from_start: bool = False
    ) -> AsgiHost:
        """Return a client of the run: the one that sent the turn, or one that resumes it with
        `from_start`."""
        response = run_response(
            self.subscription,
            self.runs.coordinator,
            _KEY,
            ui_message_stream(client_version),
            from_start=from_start,
            keep_alive=3600,
        )
        return AsgiHost(response)

    async def respond(self, turn: Turn) -> list[Chunk]:
        """Run a turn to its end. Return the chunks that its client reads, which are checked."""
        await self.start_run(turn)
        chunks = await self.connect(turn.client_version).read_chunks()
        state = StreamState(turn.continued, client_version=turn.client_version)
        for chunk in chunks:
            state.check(chunk)
        await self.wait_settled()
        return chunks

    async def response_message(self, turn: Turn) -> UIMessage:
        """Run a turn to its end. Return the message that the client has then."""
        return reduce(await self.respond(turn), turn.continued)

    async def wait_settled(self) -> None:
        """Wait until the run has ended and everything after it is done."""
        await asyncio.wait_for(self.runs.drain(LONG), LONG)
        self.runs._runs.draining = False

    async def _on_finish(self, result: RunResult) -> None:
        self.results.append(result)
