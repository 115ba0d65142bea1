"""ToolCalls: collects the tool calls of one step and runs them concurrently."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

from ui_message_stream.chunks import (
    Data,
    ToolInputAvailable,
    ToolInputError,
    ToolInputStart,
    ToolOutputAvailable,
    ToolOutputError,
)
from ui_message_stream.messages import ToolPart
from ui_message_stream.versions import ChunkVariant

from usechat_server.aio import is_cancelled
from usechat_server.approvals import (
    Approvals,
    Ask,
    Deny,
    approval_request_chunks,
    automatic_approval_chunks,
    automatic_denial_chunks,
    evaluate_policy,
)
from usechat_server.errors import ChatError, public_error
from usechat_server.loop.call_ids import CallIds
from usechat_server.loop.run_writer import RunWriter
from usechat_server.telemetry.model_call import ModelCallRecord
from usechat_server.telemetry.tool_call import ToolCallRecord
from usechat_server.tools import FunctionTool, Tool, ToolContext, ToolError
from usechat_server.tools.context import idempotency_key

__all__ = ["CallLimits", "ToolCalls"]

logger: logging.Logger = logging.getLogger("usechat.tools")

#: Grace period, in seconds, for a cancelled tool's cleanup.
CLEANUP = 5.0

#: The chunks of a call's input, without those between its start and its end.
_INPUTS = frozenset({ToolInputStart, ToolInputAvailable, ToolInputError})

_UNKNOWN_TOOL = "There is no tool {name}."
_FAILED = "The tool failed."
_TOO_MANY = "The call was not run: at most {limit} calls run in one step. Call it again."
#: Characters of a tool's error text.
_MAX_ERROR_LENGTH = 20_000


@dataclass(frozen=True, slots=True)
class CallLimits:
    """How many of the model's tool calls are handled.

    Attributes:
        per_step: Calls of a step; further ones get an error.
        concurrent: Calls of a step that run at the same time; others wait.
    """

    per_step: int = 100
    concurrent: int = 20


@dataclass(frozen=True, slots=True)
class _Call:
    """A call of one of the app's functions."""

    chunk: ToolInputAvailable
    tool: FunctionTool
    arguments: dict[str, Any]
    #: whether the user has already approved it
    approved: bool = False

    @property
    def id(self) -> str:
        return self.chunk.tool_call_id


class ToolCalls:
    """The tool calls of one step, or the open calls of a continued message.

    First `collect` the model's chunks, or `add_call`; then `run`. Tools start only after the
    model's response is complete: a response that breaks off is retried, which must not run a tool
    twice, and the calls of a refused response must not run at all. (AI SDK 7 waits as well.)
    """

    def __init__(
        self,
        writer: RunWriter,
        approvals: Approvals,
        tools: Sequence[Tool],
        limits: CallLimits = CallLimits(),
    ) -> None:
        self.tools: Mapping[str, Tool] = {tool.name: tool for tool in tools}
        #: whether a call waits for the client to run it, or for the user to approve it
        self.waits_for_client: bool = False
        #: whether there are outputs or errors that the model has not seen
        self.has_results: bool = False
        self._writer = writer
        self._approvals = approvals
        self._limits = limits
        #: calls of the model so far, also those that do not run
        self._count = 0
        #: None until the model's first call
        self._call_ids: CallIds | None = None
        #: calls without an output, by id
        self._open_calls: dict[str, _Call] = {}
        #: calls that must not run twice and have begun
        self._begun_calls: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    def write(self, call: ModelCallRecord, batch: Sequence[ChunkVariant]) -> None:
        """Write a batch of chunks of a model call, and collect the tool calls in it. Invalid inputs
        become errors, which the model can correct."""
        call.mark_read(batch)
        if self._call_ids is not None and self._call_ids.renamed:
            batch = [self._collect_chunk(each) for each in batch]
        else:
            for chunk in batch:
                if type(chunk) in _INPUTS:  # checked for every batch, so it has to be cheap
                    batch = [self._collect_chunk(each) for each in batch]
                    break
        self._writer.append(batch)

    def add_call(self, chunk: ToolInputAvailable, *, approved: bool) -> None:
        """Add a call that the client already has. Its input is validated again: the tool may have
        changed while the user decided."""
        call = self._parse_call(chunk, approved=approved)
        if isinstance(call, str):
            self.write_error(chunk.tool_call_id, call)
        else:
            self._open_calls[call.id] = call

    def write_error(self, tool_call_id: str, text: str) -> None:
        """Write the error of a call that does not run."""
        self.has_results = True
        self._writer.append([ToolOutputError(tool_call_id=tool_call_id, error_text=text)])

    async def run(self) -> None:
        """Run the calls concurrently, until each has its output or an approval request."""
        if not self._open_calls:
            return
        slots = asyncio.Semaphore(self._limits.concurrent)
        # A TaskGroup would wait indefinitely for the cleanup of a cancelled tool.
        self._tasks = {
            asyncio.create_task(self._run_call(call, slots)) for call in self._open_calls.values()
        }
        done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()

    def cancel(self, text: str) -> None:
        """Stop the running calls. Calls without an output get an error with this text."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        for call_id in self._open_calls:
            self.write_error(call_id, text)
        self._open_calls.clear()

    async def aclose(self) -> None:
        """Stop the running calls and give them `CLEANUP` seconds to clean up."""
        self._closed = True
        # A task that was cancelled has the traceback, and so this object.
        tasks, self._tasks = self._tasks, set()
        running = [task for task in tasks if not task.done()]
        for task in running:
            task.cancel()
        if running:
            _, stuck = await asyncio.wait(running, timeout=CLEANUP)
            if stuck:
                logger.error("%s cancelled tools are still running after %s s", len(stuck), CLEANUP)

    def _collect_chunk(self, chunk: ChunkVariant) -> ChunkVariant:
        if self._call_ids is None:
            parts = self._writer.message().parts
            self._call_ids = CallIds(p.tool_call_id for p in parts if isinstance(p, ToolPart))
        chunk = self._call_ids.unique(chunk)
        if isinstance(chunk, ToolInputError) and not chunk.provider_executed:
            self.has_results = True
        if not isinstance(chunk, ToolInputAvailable) or chunk.provider_executed:
            return chunk
        self._count += 1
        if self._count > self._limits.per_step:
            self.has_results = True
            return _input_error(chunk, _TOO_MANY.format(limit=self._limits.per_step))
        if isinstance(self.tools.get(chunk.tool_name), FunctionTool | None):
            call = self._parse_call(chunk)
            if isinstance(call, str):
                self.has_results = True
                return _input_error(chunk, call)
            self._open_calls[call.id] = call
        else:
            self.waits_for_client = True
        return chunk

    def _parse_call(self, chunk: ToolInputAvailable, *, approved: bool = False) -> _Call | str:
        """Return the call with its arguments, or the error text if it cannot run."""
        tool = self.tools.get(chunk.tool_name)
        if not isinstance(tool, FunctionTool):
            return _UNKNOWN_TOOL.format(name=chunk.tool_name)
        try:
            return _Call(chunk, tool, tool.parse(chunk.input), approved)
        except Exception as error:
            return _error_text(chunk, error)

    async def _run_call(self, call: _Call, slots: asyncio.Semaphore) -> None:
        """Run one call. Any exception becomes the call's error, including SystemExit, which would
        end the server."""
        try:
            async with slots:
                if await self._authorize(call):
                    await self._stream_outputs(call)
        except BaseException as error:
            if is_cancelled(error):
                error.__traceback__ = None  # its frames refer to this task, which keeps it
                raise
            if isinstance(error, KeyboardInterrupt):
                raise
            text = _error_text(call.chunk, error)
            self._write_result(call, [ToolOutputError(tool_call_id=call.id, error_text=text)])

    async def _authorize(self, call: _Call) -> bool:
        """Apply the tool's approval policy, and write the approval request or the decision.

        Returns:
            Whether the call may run now.
        """
        if call.approved:
            return True
        turn = self._writer.turn
        verdict = await evaluate_policy(call.tool, call.arguments, turn)
        if isinstance(verdict, Ask):
            request = await self._approvals.request(turn, call.chunk)
            self._open_calls.pop(call.id)
            self.waits_for_client = True
            self._write(approval_request_chunks(turn, call.chunk, request, verdict.reason))
            return False
        if verdict is not None:
            self._write(automatic_approval_chunks(call.chunk, verdict))
        if isinstance(verdict, Deny):
            self._write_result(call, automatic_denial_chunks(call.id, verdict.reason))
            return False
        return True

    async def _stream_outputs(self, call: _Call) -> None:
        if not call.tool.idempotent or not self._writer.is_owner():
            await self._writer.begin_call(call.id)
            self._begun_calls.add(call.id)
        context = ToolContext(
            self._writer.turn,
            call.id,
            self._write_data,
            idempotency_key=idempotency_key(self._writer.record.run, call.id),
        )
        record = self._writer.record
        with ToolCallRecord(
            record, call.tool.name, call.id, call.chunk.input, call.tool.description
        ) as tool_call:
            async with aclosing(call.tool.run(call.arguments, context)) as outputs:
                async for output in outputs:
                    chunk = ToolOutputAvailable(
                        tool_call_id=call.id,
                        output=output.value,
                        preliminary=output.preliminary or None,
                    )
                    tool_call.output = output.value
                    if output.preliminary:
                        self._write([chunk])
                    else:
                        self._write_result(call, [chunk])

    def _write_result(self, call: _Call, variants: Sequence[ChunkVariant]) -> None:
        self._write(variants)
        self._open_calls.pop(call.id, None)
        self.has_results = True
        if call.id in self._begun_calls:
            self._writer.end_call(call.id)

    def _write_data(self, data: Data) -> None:
        with suppress(ChatError):  # raised again by the next chunk that is not a tool's data
            self._write([data])

    def _write(self, variants: Sequence[ChunkVariant]) -> None:
        if not self._closed:
            self._writer.append(variants)


def _input_error(call: ToolInputAvailable, text: str) -> ToolInputError:
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


def _error_text(call: ToolInputAvailable, error: BaseException) -> str:
    """Return what the client and the model are told about an error; log the rest."""
    if isinstance(error, ToolError):
        text = str(error) or _FAILED
        if len(text) > _MAX_ERROR_LENGTH:
            text = f"{text[:_MAX_ERROR_LENGTH]}…"
    else:
        public = public_error(error)
        text = public.text
        logger.error(
            "tool %s failed (reference %s)", call.tool_name, public.reference, exc_info=error
        )
    error.__traceback__ = None  # frames that have the error would keep the run
    return text
