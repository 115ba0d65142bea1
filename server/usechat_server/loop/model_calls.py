"""A step's model call: tried again when it fails, and at last left to another model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from time import monotonic

from usechat_server.errors import ModelError
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.tool_calls import ToolCalls
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.providers.base import Model, ModelStream, StepResult
from usechat_server.providers.retry import Retry

__all__ = ["ModelCalls"]


class ModelCalls:
    """The model calls of one answer, one after another.

    A call that failed is tried again, for so long and so often as `retry` says; then the step's
    next model is asked, and stays the one that is asked. What the page was shown of a step is
    taken back before; where a page cannot forget it, the failure is the end, and what it was
    shown stays.
    """

    def __init__(self, retry: Retry, output: RunWriter, usage_tracker: UsageTracker) -> None:
        self._retry = retry
        self._output = output
        self._usage_tracker = usage_tracker
        self._given_up: list[Model] = []
        self._stream: ModelStream | None = None

    async def step(
        self,
        models: Sequence[Model],
        ask: Callable[[Model], Awaitable[ModelStream]],
        listen: Callable[[], ToolCalls],
    ) -> tuple[StepResult, ToolCalls]:
        """What one of the models brings, and the tools that it called.

        `ask` makes a call, `listen` what takes its tool calls. Raises ModelError.
        """
        began = monotonic()
        left = [model for model in models if model not in self._given_up] or [models[-1]]
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._call(left[0], ask, listen())
            except ModelError as error:
                seconds = self._retry.wait(error, attempt, monotonic() - began)
                if seconds is None and len(left) == 1:
                    raise
                if self._output.in_step and not self._output.reset_step():
                    raise
                self._output.record.retried.append(str(error))
                if seconds is None:
                    self._given_up.append(left.pop(0))
                    attempt = 0
            self._usage_tracker.close()
            await self.aclose()
            await asyncio.sleep(seconds or 0)

    async def aclose(self) -> None:
        """Closes the call under way, if there is one."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def _call(
        self, model: Model, ask: Callable[[Model], Awaitable[ModelStream]], calls: ToolCalls
    ) -> tuple[StepResult, ToolCalls]:
        await self.aclose()
        stream = self._stream = await ask(model)
        output, record = self._output, self._output.record
        record.attempts += 1
        if record.first_token is None:
            record.called = monotonic()
        self._usage_tracker.begin(stream, model.name)
        async for batch in stream:
            record.read(batch)
            output.append(calls.take(batch))
        if stream.result is None:
            raise ModelError("the stream ended without a result", "truncated")
        return stream.result, calls
