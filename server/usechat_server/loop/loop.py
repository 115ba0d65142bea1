"""The agent's loop: a model call, the tools that it called, and again, until all is said."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from pydantic import ValidationError
from ui_message_stream.chunks import FinishReason
from ui_message_stream.messages import UIMessage

from usechat_server.approvals import Approvals
from usechat_server.errors import ModelError
from usechat_server.loop.continuation import continue_message
from usechat_server.loop.model_calls import ModelCalls
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.spec import AgentSpec, StepConfig, with_source_tools
from usechat_server.loop.structured_output import correction, final_output
from usechat_server.loop.tool_calls import ToolCalls
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.providers.base import Model, ModelStream
from usechat_server.providers.retry import Retry
from usechat_server.results import total_usage

__all__ = ["AgentLoop"]

_NOT_RUN = "The call was not run: the answer ended before."
_OUT_OF_TIME = "The call was stopped: the time for the answer is over."

#: How a step ends whose tools are run. Of any other, the model may not have meant what it said.
#: (As `is-tool-execution-allowed-finish-reason.ts` of the AI SDK has it.)
_RUNS_TOOLS = ("stop", "tool-calls")


class AgentLoop:
    """Answers one turn with an agent. `stream` is the agent's first call, not yet sent, where it
    was made before."""

    def __init__(
        self,
        spec: AgentSpec,
        stream: ModelStream | None,
        retry: Retry,
        approvals: Approvals,
    ) -> None:
        self.name = spec.model.name
        self.metadata = spec.metadata
        self._spec = spec
        self._first = stream
        self._retry = retry
        self._approvals = approvals
        self._models: ModelCalls | None = None
        self._calls: ToolCalls | None = None

    async def respond(self, writer: RunWriter, usage: UsageTracker) -> FinishReason:
        """The answer, all its steps. With `tool-calls`, the page or a person has to go on."""
        limit = asyncio.timeout(self._spec.timeout)
        try:
            async with limit:
                return await self._run(writer, usage)
        except TimeoutError:
            if not limit.expired():
                raise
        if self._calls is not None:
            self._calls.cut(_OUT_OF_TIME)
        return "length"

    async def aclose(self) -> None:
        if self._calls is not None:
            await self._calls.aclose()
        if self._models is not None:
            await self._models.aclose()

    async def _run(self, writer: RunWriter, usage: UsageTracker) -> FinishReason:
        spec = self._spec
        models = self._models = ModelCalls(self._retry, writer, usage)
        config = await spec.turn_config(writer.turn)
        reason = await self._continue_message(config, writer)
        if reason is not None:
            return reason
        corrections: list[UIMessage] = []
        for _ in range(spec.max_steps):
            if self._is_spent(usage):
                break
            turn = writer.current_turn()
            step = await spec.next_step(config, turn, usage.steps)
            if step is None:
                return "stop"
            ask = self._asking(step, [*turn.messages, *corrections])
            begin = partial(self._listen, writer, step)
            result, calls = await models.step(step.models, ask, begin)
            usage.close()
            if result.finish_reason not in _RUNS_TOOLS:
                calls.cut(_NOT_RUN)
                return result.finish_reason
            await calls.run()
            if calls.waiting:
                return "tool-calls"
            if not calls.answered and not result.paused:
                error = self._read_output(writer, usage)
                if error is None:
                    return result.finish_reason
                if corrections:
                    raise ModelError(f"the output is not valid: {error}", "internal")
                corrections = [correction(error)]
            writer.end_step()
        return "length"

    async def _continue_message(self, config: StepConfig, writer: RunWriter) -> FinishReason | None:
        """Answers the open calls of a message that is continued. Why the answer is over then."""
        calls = self._listen(writer, await with_source_tools(config, writer.turn))
        reason = await continue_message(calls, writer)
        if calls.answered or writer.turn.decisions:
            self._first = None  # it does not know of this
        return reason

    def _listen(self, writer: RunWriter, config: StepConfig) -> ToolCalls:
        """What takes the tool calls of the next model call."""
        self._calls = ToolCalls(writer, self._approvals, config.tools)
        return self._calls

    def _asking(
        self, step: StepConfig, messages: Sequence[UIMessage]
    ) -> Callable[[Model], Awaitable[ModelStream]]:
        """What makes a call of one of the step's models."""

        async def ask(model: Model) -> ModelStream:
            first, self._first = self._first, None
            if first is not None:
                return first
            # A long history takes its time, in which other answers go on.
            return await asyncio.to_thread(model.stream, self._spec.build_call(step, messages))

        return ask

    def _is_spent(self, usage: UsageTracker) -> bool:
        most = self._spec.max_total_tokens
        if most is None:
            return False
        used = total_usage(usage.steps)
        counts = (used.input, used.cache_read, used.cache_write, used.output)
        return sum(count or 0 for count in counts) >= most

    def _read_output(self, writer: RunWriter, usage: UsageTracker) -> ValidationError | None:
        """Takes the object that the answer is; what is wrong with it, if it is none."""
        if self._spec.output is not None:
            try:
                usage.output = final_output(self._spec.output, writer.message())
            except ValidationError as error:
                return error
        return None
