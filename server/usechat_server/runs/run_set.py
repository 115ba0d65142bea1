"""The runs of this process that are not closed yet."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from usechat_server.coordination.lease import Lease
from usechat_server.loop.run_writer import Takeover
from usechat_server.runs.checkpoints import Checkpoints
from usechat_server.runs.config import RunConfig
from usechat_server.runs.responder import Responder
from usechat_server.runs.run import Run
from usechat_server.turn import Turn

__all__ = ["RunSet"]


class RunSet:
    """Creates runs, and keeps each until it is closed. One per event loop.

    Args:
        config: What all runs have in common.
        checkpoints: Of all runs, if there is a store.
    """

    def __init__(self, config: RunConfig, checkpoints: Checkpoints | None) -> None:
        self.config = config
        self.checkpoints = checkpoints
        #: whether new runs are refused, because the server shuts down
        self.draining: bool = False
        self._expected: set[str] = set()
        self._runs: set[Run] = set()
        self._change = asyncio.Event()

    @property
    def all(self) -> list[Run]:
        """The runs that are not closed."""
        return list(self._runs)

    @contextmanager
    def expect(self, run_id: str) -> Iterator[None]:
        """Expect a run until the block ends: it is about to begin, or to be taken over."""
        self._expected.add(run_id)
        try:
            yield
        finally:
            self._expected.discard(run_id)

    @property
    def ids(self) -> set[str]:
        """The ids of the runs that are not done, and of those that are expected."""
        return self._expected | {run.id for run in self._runs if not run.is_done}

    @property
    def active(self) -> list[Run]:
        """The runs whose log has no end yet."""
        return [run for run in self._runs if not run.log.has_ended]

    def create(
        self,
        turn: Turn,
        responder: Responder,
        lease: Lease,
        takeover: Takeover | None = None,
        *,
        config: RunConfig | None = None,
    ) -> Run:
        """Create a run that has not started.

        Args:
            turn: The turn to respond to.
            responder: Writes the response.
            lease: The lease of the turn's chat.
            takeover: What another process left, if the run takes one over.
            config: What it has in common with others; by default with all.
        """
        config = config or self.config
        run = Run(
            turn,
            responder,
            lease,
            config,
            on_closed=self._remove,
            checkpoints=None if config.store is None else self.checkpoints,
            takeover=takeover,
        )
        self._runs.add(run)
        return run

    async def wait_until_empty(self, seconds: float) -> None:
        """Wait until every run is closed, at most so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._runs:
                    self._change.clear()
                    await self._change.wait()

    def _remove(self, run: Run) -> None:
        self._runs.discard(run)
        self._change.set()
