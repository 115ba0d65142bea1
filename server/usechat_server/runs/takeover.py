"""Runs whose process is gone: they are continued here, or get a legal end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence

from usechat_server.aio import cancel
from usechat_server.coordination.base import ChatKey, Coordinator
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.orphans import OrphanedRun
from usechat_server.coordination.ownership import Orphan, RunEnd
from usechat_server.errors import RESTARTING, ServiceUnavailable, StoreUnavailable
from usechat_server.loop.run_writer import Takeover
from usechat_server.run_log.position import parse_position
from usechat_server.runs.config import RunConfig
from usechat_server.runs.responder import FailingResponder, Responder
from usechat_server.runs.restored_log import restore, turn_of
from usechat_server.runs.run_set import RunSet
from usechat_server.store.base import OpenTurn
from usechat_server.telemetry import metrics
from usechat_server.telemetry.instruments import TAKEOVERS
from usechat_server.turn import Turn

__all__ = ["Takeovers"]

logger: logging.Logger = logging.getLogger("usechat.run")


class Takeovers:
    """Takes runs over. One per event loop."""

    def __init__(
        self,
        runs: RunSet,
        coordinator: Coordinator,
        responder: Callable[[Turn], Awaitable[Responder]],
        read_turn: Callable[[bytes], Turn],
    ) -> None:
        """Create it; nothing is looked for here.

        Args:
            runs: The runs of this process.
            coordinator: The runs of all processes.
            responder: Returns the responder of a run that is taken over.
            read_turn: Decodes what `Turn.to_json` returned.
        """
        self._runs = runs
        self._coordinator = coordinator
        self._responder = responder
        self._read_turn = read_turn
        #: takeovers under way
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, orphan: Orphan) -> None:
        """Take over a run that the store has found, in a task of its own, unless this process runs
        it meanwhile. Idempotent."""
        store = self._runs.config.store
        assert store is not None  # noqa: S101
        if orphan.run_id not in store.ownership.running and not self._runs.draining:
            task = asyncio.create_task(self._take_over_stored(orphan))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def take_over(self, orphan: OrphanedRun) -> None:
        """Continue a run that the coordinator has found, or give its log an end."""
        if orphan.end is not None:
            await self._end_log(orphan, orphan.end)
            return
        turn, takeover = orphan.turn, Takeover(orphan.log)
        responder = await self._create_responder(turn)
        await self._continue(
            turn, responder, orphan.lease, takeover, can_continue=orphan.can_continue
        )

    async def take_over_former(self, turns: Sequence[OpenTurn]) -> None:
        """Take over, or end, turns that a release without process leases left open."""
        for turn in turns:
            run = await self._coordinator.get(ChatKey(turn.user, turn.chat_id))
            if run is not None and run.run_id == turn.run_id:
                self.start(Orphan(turn.user, turn.chat_id, turn.run_id, turn.epoch))
            elif self._runs.config.store is not None:
                logger.warning("run %s: its process is gone, interrupted", turn.run_id)
                await self._runs.config.store.interrupt([turn.run_id])

    async def aclose(self) -> None:
        """Cancel the takeovers that are under way."""
        await cancel(self._tasks)

    async def _take_over_stored(self, orphan: Orphan) -> None:
        """Take a run over, as the store has it."""
        with self._runs.expect(orphan.run_id):
            await self._take_over_and_continue(orphan)

    async def _take_over_and_continue(self, orphan: Orphan) -> None:
        store, checkpoints = self._runs.config.store, self._runs.checkpoints
        assert store is not None and checkpoints is not None  # noqa: S101, PT018
        key = ChatKey(orphan.user, orphan.chat_id)
        lease = await self._coordinator.adopt(key, orphan.run_id)
        if lease is None:
            return  # later, or by another process
        try:
            sent_at = checkpoints.now()
            taken = await store.ownership.take_over(orphan)
            if taken is None:
                await lease.release()
                return
            checkpoints.confirm_lease(sent_at)
            lease.epoch, lease.request_digest = taken.epoch, taken.request_digest
            former = await self._coordinator.former_log(key, orphan.run_id)
            turn = turn_of(taken, former, self._read_turn)
        except StoreUnavailable:
            await lease.release()
            return
        except Exception:
            # Probably begun by another release, or with another `body=`.
            logger.exception("run %s: its process is gone, its turn cannot be read", orphan.run_id)
            await store.interrupt([orphan.run_id])
            await lease.release()
            return
        logger.warning("run %s: its process is gone, taken over", orphan.run_id)
        responder = await self._create_responder(turn)
        log, lease.log_id, can_continue = restore(
            *(orphan.run_id, turn, taken, former),
            has_responder=not isinstance(responder, FailingResponder),
        )
        takeover = Takeover(log, taken.begun_calls)
        await self._continue(turn, responder, lease, takeover, can_continue=can_continue)

    async def _create_responder(self, turn: Turn) -> Responder:
        try:
            return await self._responder(turn)
        except Exception as error:
            return FailingResponder(error)

    async def _continue(
        self,
        turn: Turn,
        responder: Responder,
        lease: Lease,
        takeover: Takeover,
        *,
        can_continue: bool,
    ) -> None:
        metrics.record(TAKEOVERS)
        run = self._runs.create(turn, responder, lease, takeover)
        run.keep_for_readers()
        if self._runs.draining or not can_continue:
            run.interrupt()
        await run.start()

    async def _end_log(self, orphan: OrphanedRun, end: RunEnd) -> None:
        """Give a log its end whose run has ended, before its process could publish that."""
        run = self._runs.create(
            orphan.turn,
            FailingResponder(ServiceUnavailable(RESTARTING)),
            orphan.lease,
            Takeover(orphan.log),
            config=RunConfig(),  # its message is stored, and its hooks were called
        )
        position = None if end.log_position is None else parse_position(end.log_position)
        is_whole = position is not None and orphan.log.end_position >= position
        run.end_as(end.outcome if is_whole else None)
        await run.start()
