"""The tool calls of one step: which of them are ours, and running those at once."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from ui_message_stream.chunks import (
    ToolInputAvailable,
    ToolInputError,
    ToolOutputAvailable,
    ToolOutputError,
)
from ui_message_stream.versions import ChunkVariant

from usechat_server.aio import is_cancelled
from usechat_server.approvals import (
    Approvals,
    Ask,
    Deny,
    approval_request_chunks,
    automatic_approval_chunks,
    denial_chunks,
    evaluate_policy,
)
from usechat_server.errors import public_error
from usechat_server.loop.run_writer import RunWriter
from usechat_server.tools import FunctionTool, Tool, ToolContext, ToolError

__all__ = ["ToolCalls"]

logger = logging.getLogger("usechat.tools")

#: Seconds that a cancelled tool has for its cleanup.
CLEANUP = 5.0

_WHOLE_INPUTS = frozenset({ToolInputAvailable, ToolInputError})

_UNKNOWN_TOOL = "There is no tool {name}."
_FAILED = "The tool failed."


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of a function of the app."""

    said: ToolInputAvailable
    tool: FunctionTool
    arguments: dict[str, Any]
    #: whether a person allowed it already
    approved: bool = False

    @property
    def id(self) -> str:
        return self.said.tool_call_id


class ToolCalls:
    """The calls of one step, or those that a continuation goes on with.

    First `take` what the model says, or `add` calls; then `run`. Nothing runs before: what a model
    said whose answer then broke off, or was refused, was never meant to happen; and a step that is
    tried again must not do a thing twice. (AI SDK 7 waits too.)
    """

    def __init__(self, output: RunWriter, approvals: Approvals, tools: Sequence[Tool]) -> None:
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        #: whether the page, or a person, has to answer one of them
        self.waiting = False
        #: whether the model has something to be told
        self.answered = False
        self._output = output
        self._approvals = approvals
        #: those without an output, by id
        self._open: dict[str, _Call] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._over = False

    def take(self, batch: Sequence[ChunkVariant]) -> Sequence[ChunkVariant]:
        """What to write for chunks of the model: an input that its tool does not take is an error,
        which the model may correct."""
        for chunk in batch:
            if type(chunk) in _WHOLE_INPUTS:  # (of every batch: so it costs little)
                return [self._taken(one) for one in batch]
        return batch

    def add(self, said: ToolInputAvailable, *, approved: bool) -> None:
        """Adds a call whose input the page has already. It is read again: tools change while people
        think."""
        made = self._parsed(said, approved=approved)
        if isinstance(made, str):
            self.fail(said.tool_call_id, made)
        else:
            self._open[made.id] = made

    def fail(self, tool_call_id: str, text: str) -> None:
        """Ends a call that is not run."""
        self.answered = True
        self._output.append([ToolOutputError(tool_call_id=tool_call_id, error_text=text)])

    async def run(self) -> None:
        """Runs them, all at once. Returns when each has its output, or a person was asked."""
        if not self._open:
            return
        # Not a TaskGroup, which waits for a tool's cleanup as long as that takes.
        self._tasks = {asyncio.create_task(self._one(call)) for call in self._open.values()}
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    def cut(self, text: str) -> None:
        """Stops what runs. The calls that have no output get an error with this text."""
        self._over = True
        for task in self._tasks:
            task.cancel()
        for call_id in self._open:
            self.fail(call_id, text)
        self._open.clear()

    async def aclose(self) -> None:
        """Stops what runs, and gives it some seconds for its cleanup."""
        self._over = True
        running = [task for task in self._tasks if not task.done()]
        for task in running:
            task.cancel()
        if running:
            _, stuck = await asyncio.wait(running, timeout=CLEANUP)
            if stuck:
                logger.error("%s cancelled tools still run after %s s", len(stuck), CLEANUP)

    def _taken(self, chunk: ChunkVariant) -> ChunkVariant:
        if isinstance(chunk, ToolInputError) and not chunk.provider_executed:
            self.answered = True
        if not isinstance(chunk, ToolInputAvailable) or chunk.provider_executed:
            return chunk
        if isinstance(self.tools.get(chunk.tool_name), FunctionTool | None):
            made = self._parsed(chunk)
            if isinstance(made, str):
                self.answered = True
                return _invalid(chunk, made)
            self._open[made.id] = made
        else:
            self.waiting = True
        return chunk

    def _parsed(self, said: ToolInputAvailable, *, approved: bool = False) -> _Call | str:
        """The call as it can be run, or why it cannot."""
        tool = self.tools.get(said.tool_name)
        if not isinstance(tool, FunctionTool):
            return _UNKNOWN_TOOL.format(name=said.tool_name)
        try:
            return _Call(said, tool, tool.parse(said.input), approved)
        except Exception as error:
            return _text(said, error)

    async def _one(self, call: _Call) -> None:
        """One call, to its output. Whatever it raises is its output: `sys.exit()` in a tool, too,
        which would end the server."""
        try:
            if await self._is_allowed(call):
                await self._run(call)
        except BaseException as error:
            if is_cancelled(error) or isinstance(error, KeyboardInterrupt):
                raise
            text = _text(call.said, error)
            self._settle(call, [ToolOutputError(tool_call_id=call.id, error_text=text)])

    async def _is_allowed(self, call: _Call) -> bool:
        if call.approved:
            return True
        turn = self._output.turn
        answer = await evaluate_policy(call.tool, call.arguments, turn)
        if isinstance(answer, Ask):
            issued = await self._approvals.request(turn, call.said)
            self._open.pop(call.id)
            self.waiting = True
            self._write(approval_request_chunks(turn, call.said, issued, answer.reason))
            return False
        if answer is not None:
            self._write(automatic_approval_chunks(call.said, answer))
        if isinstance(answer, Deny):
            self._settle(call, denial_chunks(turn, call.id, answer.reason))
            return False
        return True

    async def _run(self, call: _Call) -> None:
        if not call.tool.idempotent:
            await self._output.durable()
        context = ToolContext(self._output.turn, call.id, lambda data: self._write([data]))
        async with aclosing(call.tool.run(call.arguments, context)) as outputs:
            async for output in outputs:
                said = ToolOutputAvailable(
                    tool_call_id=call.id,
                    output=output.value,
                    preliminary=output.preliminary or None,
                )
                if output.preliminary:
                    self._write([said])
                else:
                    self._settle(call, [said])

    def _settle(self, call: _Call, variants: Sequence[ChunkVariant]) -> None:
        """Writes the output of a call."""
        self._write(variants)
        self._open.pop(call.id, None)
        self.answered = True

    def _write(self, variants: Sequence[ChunkVariant]) -> None:
        if not self._over:
            self._output.append(variants)


def _invalid(call: ToolInputAvailable, text: str) -> ToolInputError:
    return ToolInputError(
        tool_call_id=call.tool_call_id,
        tool_name=call.tool_name,
        input=call.input,
        provider_metadata=call.provider_metadata,
        tool_metadata=call.tool_metadata,
        dynamic=call.dynamic,
        title=call.title,
        error_text=text,
    )


def _text(call: ToolInputAvailable, error: BaseException) -> str:
    """What the page and the model are told of it."""
    if isinstance(error, ToolError):
        return str(error) or _FAILED
    public = public_error(error)
    logger.error("tool %s failed (reference %s)", call.tool_name, public.reference, exc_info=error)
    return public.text
