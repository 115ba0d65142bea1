"""The agent's loop: model calls, one after another, until the answer is complete."""

from __future__ import annotations

import asyncio
from time import monotonic

from ui_message_stream.chunks import FinishReason, StartStep

from usechat_server.agent import Agent
from usechat_server.models.base import ModelError, ModelStream, StepResult
from usechat_server.runs.accounts import Accounts
from usechat_server.runs.output import Output
from usechat_server.runs.retry import Retry
from usechat_server.turn import Turn

__all__ = ["AgentLoop"]

#: A provider that pauses more often than this in one answer gets nowhere.
_MOST_PAUSES = 20


class AgentLoop:
    """Answers one turn with an agent. `stream` is the agent's first call, not yet sent."""

    def __init__(self, agent: Agent, stream: ModelStream | None, retry: Retry) -> None:
        self.name = agent.model.name
        self.metadata = agent.metadata
        self._agent = agent
        assert stream is not None
        self._stream: ModelStream = stream
        self._retry = retry

    async def answer(self, output: Output, accounts: Accounts) -> FinishReason:
        """The model's answer, all of it: when the provider pauses, it is asked to go on."""
        for _ in range(_MOST_PAUSES):
            result = await self._call(output, accounts)
            if not result.paused:
                break
            await self._stream.aclose()
            accounts.close()
            self._stream = self._called(output.so_far())
            output.append([StartStep()])
        return result.finish_reason

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def _call(self, output: Output, accounts: Accounts) -> StepResult:
        """What a call of the model brings. It is tried again as long as it brought nothing."""
        record = output.record
        while True:
            record.attempts += 1
            record.called = monotonic()
            accounts.begin(self._stream, self.name)
            try:
                return await self._step(output)
            except ModelError as error:
                elapsed = monotonic() - record.queued
                seconds = (
                    None if record.chunks else self._retry.wait(error, record.attempts, elapsed)
                )
                if seconds is None:
                    raise
                record.retried.append(str(error))
            await self._stream.aclose()
            accounts.close()
            await asyncio.sleep(seconds)
            self._stream = self._called(output.turn)

    def _called(self, turn: Turn) -> ModelStream:
        stream = self._agent.call(turn)
        assert stream is not None
        return stream

    async def _step(self, output: Output) -> StepResult:
        record = output.record
        async for batch in self._stream:
            record.read(batch)
            output.append(batch)
        if self._stream.result is None:
            raise ModelError("the stream ended without a result", "truncated")
        return self._stream.result
