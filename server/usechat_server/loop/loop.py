"""AgentLoop: responds to a turn with model calls and tool calls until the response is complete."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pydantic import ValidationError
from ui_message_stream.chunks import FinishReason, MessageMetadata
from ui_message_stream.messages import ToolPart, UIMessage

from usechat_server.approvals import Approvals
from usechat_server.errors import ModelError
from usechat_server.loop.continuation import continue_message, open_calls
from usechat_server.loop.metadata import hook_metadata
from usechat_server.loop.model_calls import ModelCalls
from usechat_server.loop.refusals import refusal_chunks
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.spec import AgentSpec, StepConfig
from usechat_server.loop.structured_output import correction_message, parse_output
from usechat_server.loop.tool_calls import ToolCalls
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.providers.base import Model, ModelStream
from usechat_server.providers.retry import RetryPolicy
from usechat_server.results import MetadataHook, total_usage
from usechat_server.tools import FunctionTool, Tool
from usechat_server.turn import Turn

__all__ = ["DEFAULT_RETRY", "AgentLoop"]

_NOT_RUN = "The call was not run: the response ended before it."
_TIMED_OUT = "The call was stopped: the response timed out."

#: When a failed model call is tried again.
DEFAULT_RETRY = RetryPolicy()

#: The finish reasons after which tools run. After any other, the tool calls may be incomplete.
#: (Source: `is-tool-execution-allowed-finish-reason.ts` of the AI SDK.)
_RUNS_TOOLS = ("stop", "tool-calls")


class AgentLoop:
    """Responds to one turn with an agent.

    Args:
        spec: The agent.
        stream: The first model call, unsent, if it was built already.
        approvals: Where tool calls request the user's approval.
        retry: When a failed model call is tried again; `DEFAULT_RETRY` if None.
    """

    def __init__(
        self,
        spec: AgentSpec,
        stream: ModelStream | None,
        approvals: Approvals,
        *,
        retry: RetryPolicy | None = None,
    ) -> None:
        self.name: str = spec.model.name
        self.metadata: MetadataHook | None = spec.metadata
        self._spec = spec
        self._first_call = stream
        self._retry = retry or DEFAULT_RETRY
        self._approvals = approvals
        self._model_calls: ModelCalls | None = None
        self._tool_calls: ToolCalls | None = None

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason:
        """Write the response, with all its steps.

        Returns:
            The finish reason; `tool-calls` if the client or the user has to act first.
        """
        limit = asyncio.timeout(self._spec.timeout)
        try:
            async with limit:
                return await self._run(writer, usage)
        except TimeoutError:
            if not limit.expired():
                raise
        if self._tool_calls is not None:
            self._tool_calls.cancel(_TIMED_OUT)
        return "length"

    def is_server_call(self, part: ToolPart) -> bool:
        """Whether an open call is one that this server runs."""
        tool = self._find_tool(part.tool_name)
        # `on_step` may have had a client tool of this name, sources only have functions.
        is_unknown = tool is None and self._spec.on_step is None
        return is_unknown or isinstance(tool, FunctionTool)

    def has_function(self, part: ToolPart) -> bool:
        """Whether a call is one of a function of this agent."""
        return isinstance(self._find_tool(part.tool_name), FunctionTool)

    def abort(self) -> None:
        """Close the connection of the current model call at once; see `Responder`."""
        if self._model_calls is not None:
            self._model_calls.abort()

    async def aclose(self) -> None:
        if self._tool_calls is not None:
            await self._tool_calls.aclose()
        if self._model_calls is not None:
            await self._model_calls.aclose()

    async def _run(self, writer: RunWriter, usage: UsageTracker) -> FinishReason:
        spec = self._spec
        if spec.approvals == "client-tool":
            # A client that gives no sign may be too old for the protocol's own approvals.
            writer.turn = replace(
                writer.turn, client_version=writer.turn.client_version.without_chunk_types()
            )
        model_calls = self._model_calls = ModelCalls(
            self._retry, writer, usage, is_json=spec.output is not None
        )
        if not writer.taken_over and (
            metadata := hook_metadata("start_metadata", spec.start_metadata, writer.turn)
        ):
            writer.append([MessageMetadata(message_metadata=metadata)])
        config = await spec.turn_config(writer.turn)
        reason = await self._continue_message(config, writer)
        if reason is not None:
            return reason
        corrections: list[UIMessage] = []
        for _ in range(spec.max_steps):
            if self._is_over_budget(usage):
                break
            turn = writer.current_turn()
            step = await spec.next_step(config, turn, usage.steps)
            if step is None:
                return "stop"
            result, tool_calls = await model_calls.run_step(
                step,
                partial(self._start_call, step, turn, corrections),
                partial(self._make_collector, writer, step),
            )
            usage.end_call()
            if result.finish_reason not in _RUNS_TOOLS and not result.paused:
                tool_calls.cancel(_NOT_RUN)
                if result.refusal is not None:
                    writer.append(refusal_chunks(result.refusal))
                return result.finish_reason
            await tool_calls.run()
            if tool_calls.waits_for_client:
                return "tool-calls"
            if not tool_calls.has_results and not result.paused:
                error = self._read_output(writer, usage)
                if error is None:
                    return result.finish_reason
                if corrections:
                    raise ModelError(f"the output is not valid: {error}", "internal")
                corrections = [correction_message(error)]
            writer.end_step()
        return "length"

    async def _continue_message(self, config: StepConfig, writer: RunWriter) -> FinishReason | None:
        """Give the open calls of a continued message their outputs. Return the finish reason if
        the run is over then."""
        names = {part.tool_name for part in open_calls(writer.message())}
        tools = await self._spec.continuation_tools(config, writer.turn, names)
        calls = self._make_collector(writer, replace(config, tools=tools))
        reason = await continue_message(
            calls, writer, has_step_tools=self._spec.on_step is not None
        )
        if calls.has_results or writer.turn.decisions:
            self._first_call = None  # it was built without these outputs
        return reason

    def _find_tool(self, name: str) -> Tool | None:
        """Return the tool of the step that is running, else of the agent."""
        if self._tool_calls is not None:
            return self._tool_calls.tools.get(name)
        return next((tool for tool in self._spec.tools if tool.name == name), None)

    def _make_collector(self, writer: RunWriter, config: StepConfig) -> ToolCalls:
        """Return what collects the tool calls of the next model call."""
        self._tool_calls = ToolCalls(writer, self._approvals, config.tools, self._spec.call_limits)
        return self._tool_calls

    async def _start_call(
        self, config: StepConfig, turn: Turn, corrections: Sequence[UIMessage], model: Model
    ) -> ModelStream:
        """Return a call of the model, unsent."""
        first_call, self._first_call = self._first_call, None
        if first_call is not None:
            return first_call
        # In a thread: translating a long history would block the other runs.
        call = self._spec.build_call(config, turn, self._approvals, corrections)
        return await asyncio.to_thread(model.stream, call)

    def _is_over_budget(self, usage: UsageTracker) -> bool:
        """Whether `max_total_tokens` is used up."""
        limit = self._spec.max_total_tokens
        if limit is None:
            return False
        total = total_usage(usage.steps)
        counts = (total.input, total.cache_read, total.cache_write, total.output)
        return sum(count or 0 for count in counts) >= limit

    def _read_output(self, writer: RunWriter, usage: UsageTracker) -> ValidationError | None:
        """Parse the structured output, if the agent has one. Return the error if it is invalid."""
        if self._spec.output is not None:
            try:
                usage.output = parse_output(self._spec.output, writer.message())
            except ValidationError as error:
                return error
        return None
