"""The runs of this process that are live."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from usechat_server.agent import Agent
from usechat_server.models.base import BadRequest, ModelStream
from usechat_server.observe.masking import RESTARTING
from usechat_server.runs.loop import AgentLoop
from usechat_server.runs.retry import Retry
from usechat_server.runs.run import Run
from usechat_server.turn import Turn

__all__ = ["Runs"]

#: Seconds that readers have to take the end of a run that a drain ended.
DELIVERY = 5.0

_RETRY = Retry()


class Runs:
    """Starts runs and knows those whose end was not delivered yet."""

    def __init__(self, *, retry: Retry = _RETRY) -> None:
        #: whether new runs are refused, because the server goes down
        self.draining = False
        self._retry = retry
        self._runs: dict[tuple[str | None, str], list[Run]] = {}
        self._change = asyncio.Event()

    def start(self, turn: Turn, agent: Agent, stream: ModelStream | None = None) -> Run:
        """Begins to answer a turn, with the agent's first call where that was made already.

        Raises BadRequest, with status 503 while draining.
        """
        if self.draining:
            raise BadRequest(RESTARTING, 503)
        loop = AgentLoop(agent, stream or agent.call(turn), self._retry)
        run = Run(turn, loop, self._remove)
        self._runs.setdefault((turn.user, turn.chat_id), []).append(run)
        return run

    @property
    def active(self) -> list[Run]:
        """The runs whose log has no end yet."""
        return [run for runs in self._runs.values() for run in runs if not run.log.ended]

    async def drain(self, grace: float) -> None:
        """Takes no new runs, lets the live ones go on for `grace` seconds, then ends the rest.

        Returns when every reader has the end, or did not take it in time.
        """
        self.draining = True
        await self._empty(grace)
        for run in self.active:
            run.interrupt()
        await self._empty(DELIVERY)

    async def aclose(self) -> None:
        """The same without a grace."""
        await self.drain(0)

    async def _empty(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._runs:
                    self._change.clear()
                    await self._change.wait()

    def _remove(self, run: Run) -> None:
        key = (run.turn.user, run.turn.chat_id)
        runs = self._runs.get(key, [])
        if run in runs:
            runs.remove(run)
            if not runs:
                del self._runs[key]
            self._change.set()
