"""The model call of each step, with retries and fallback models."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from time import monotonic

from usechat_server.errors import ModelError
from usechat_server.loop.run_writer import RunWriter
from usechat_server.loop.spec import StepConfig
from usechat_server.loop.tool_calls import ToolCalls
from usechat_server.loop.usage_tracker import UsageTracker
from usechat_server.providers.base import (
    Model,
    ModelStream,
    StepResult,
    WritesBatches,
    provider_name,
)
from usechat_server.providers.retry import RetryPolicy
from usechat_server.telemetry.model_call import model_call_record

__all__ = ["ModelCalls"]


class ModelCalls:
    """The model calls of one run, one after another.

    A failed call is retried as `retry` allows. After that the step's next model is called, also in
    all later steps. Each attempt first resets the step; if a client has read output that it cannot
    discard, the failure ends the run and the output stays.

    Args:
        retry: When a failed call is tried again.
        writer: Writes what the models respond.
        usage: Counts the calls.
        is_json: Whether the responses are JSON.
    """

    def __init__(
        self, retry: RetryPolicy, writer: RunWriter, usage: UsageTracker, *, is_json: bool = False
    ) -> None:
        self._retry = retry
        self._writer = writer
        self._usage = usage
        self._is_json = is_json
        self._failed_models: list[Model] = []
        self._stream: ModelStream | None = None
        self._is_aborted = False

    async def run_step(
        self,
        step: StepConfig,
        start_call: Callable[[Model], Awaitable[ModelStream]],
        make_collector: Callable[[], ToolCalls],
    ) -> tuple[StepResult, ToolCalls]:
        """Write the response of one of the models.

        Args:
            step: The model, then its fallbacks, and what else they are called with.
            start_call: Starts a call of a model.
            make_collector: Returns what collects the tool calls of the next attempt.

        Returns:
            How the call ended, and its tool calls, not yet run.

        Raises:
            ModelError: The last model failed, or the step could not be reset.
            CancelledError: The calls were aborted.
        """
        began = monotonic()
        models = step.models
        remaining = [model for model in models if model not in self._failed_models] or [models[-1]]
        attempt = 0
        while True:
            attempt += 1
            try:
                return await self._stream_call(step, remaining[0], start_call, make_collector())
            except ModelError as error:
                seconds = self._retry.delay(error, attempt, monotonic() - began)
                if seconds is None and len(remaining) == 1:
                    raise
                if self._writer.in_step and not self._writer.reset_step():
                    raise
                self._writer.record.retry(error)
                error.__traceback__ = None  # frames that have the error would keep the run
                if seconds is None:
                    self._failed_models.append(remaining.pop(0))
                    attempt = 0
            self._usage.end_call()
            await self.aclose()
            await asyncio.sleep(seconds or 0)

    def abort(self) -> None:
        """Close the connection of the current call at once, if it can be done without waiting.

        The call ends as if it was cancelled, and no other begins: the run has ended, though its
        handler may take a while to cancel the task of the call.
        """
        self._is_aborted = True
        if isinstance(self._stream, WritesBatches):
            self._stream.abort()

    async def aclose(self) -> None:
        """Close the current call, if there is one."""
        if self._stream is not None:
            await self._stream.aclose()
            self._stream = None

    async def _stream_call(
        self,
        step: StepConfig,
        model: Model,
        start_call: Callable[[Model], Awaitable[ModelStream]],
        calls: ToolCalls,
    ) -> tuple[StepResult, ToolCalls]:
        await self.aclose()
        stream = self._stream = await start_call(model)
        self._check_not_aborted()
        writer, record = self._writer, self._writer.record
        with model_call_record()(
            record,
            model.name,
            provider_name(model),
            stream,
            messages=lambda: writer.current_turn().messages,
            system=step.system,
            is_json=self._is_json,
        ) as call:
            self._usage.begin_call(stream, model.name)
            write = partial(calls.write, call)
            try:
                if isinstance(stream, WritesBatches):
                    await stream.write_to(write)
                else:
                    async for batch in stream:
                        write(batch)
            except ModelError:
                if not self._is_aborted:
                    raise
            self._check_not_aborted()
            if stream.result is None:
                raise ModelError("the stream ended without a result", "truncated")
        return stream.result, calls

    def _check_not_aborted(self) -> None:
        if self._is_aborted:
            raise asyncio.CancelledError
