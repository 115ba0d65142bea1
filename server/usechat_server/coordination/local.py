"""The board of a process that shares its chats with no other."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping

from usechat_server.coordination.base import (
    UNDELIVERED_SECONDS,
    ChatKey,
    LeasedRun,
    LogSubscription,
)
from usechat_server.results import Outcome

__all__ = ["LocalCoordinator"]

#: Seconds that a request to stop waits for the end: a store may be slow.
STOP_SECONDS = 5.0

#: After the others, the same request asks for a new answer: this one was not whole.
_COMPLETE: frozenset[Outcome] = frozenset({"finished", "waiting"})


class LocalCoordinator:
    """Keeps the turns in memory. Nothing here really waits but `stop` and what a turn offers."""

    def __init__(self) -> None:
        self._turns: dict[ChatKey, _Turn] = {}

    async def claim(self, key: ChatKey, run_id: str, digest: str) -> _Turn | None:
        there = self._turns.get(key)
        if there is not None:
            if not there.is_over or there.answers(digest):
                return None
            there.forget()
        turn = self._turns[key] = _Turn(self, key, run_id, digest)
        return turn

    async def find(self, key: ChatKey) -> _Turn | None:
        return self._turns.get(key)

    async def running(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        found = ((key, self._turns.get(key)) for key in keys)
        return {key: turn.run_id for key, turn in found if turn is not None and not turn.ended}

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        turn = self._turns.get(key)
        if turn is None or run_id not in {None, turn.run_id}:
            return
        if turn.ask_to_stop(message_id):
            await turn.over(STOP_SECONDS)

    async def delivered(self, key: ChatKey, run_id: str) -> None:
        turn = self._turns.get(key)
        if turn is not None and turn.run_id == run_id and turn.ended:
            turn.delivered = True
            if turn.is_over and not turn.promises:
                turn.forget()

    async def promised(self, key: ChatKey) -> str | None:
        turn = await self.find(key)
        if turn is None:
            return None
        turn.promises += 1
        return turn.run_id

    async def aclose(self) -> None:
        for turn in list(self._turns.values()):
            turn.forget()

    def remove(self, turn: _Turn) -> None:
        """Nobody needs it any more; nothing if another turn has taken its place."""
        if self._turns.get(turn.key) is turn:
            del self._turns[turn.key]


class _Turn:
    """One turn: its lease, and what others find of it."""

    epoch = 0

    def __init__(
        self, coordinator: LocalCoordinator, key: ChatKey, run_id: str, digest: str
    ) -> None:
        self.key = key
        self.run_id = run_id
        self.digest = digest
        #: whether somebody got its end
        self.delivered = False
        #: pages that will come to read it
        self.promises = 0
        self._coordinator = coordinator
        self._run: LeasedRun | None = None
        self._outcome: Outcome | None = None
        #: set when it has begun, or never will
        self._decided = asyncio.Event()
        self._over = asyncio.Event()
        #: what was asked to be stopped before it began: its message, or whatever it is
        self._stops: list[str | None] = []
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def ended(self) -> bool:
        return self.is_over or (self._run is not None and self._run.log.ended)

    @property
    def is_over(self) -> bool:
        """Whether the chat is free."""
        return self._over.is_set()

    def answers(self, digest: str) -> bool:
        """Whether the same request as that of this ended turn gets its answer, not a new one."""
        return self.digest == digest and not self.delivered and self._outcome in _COMPLETE

    def ask_to_stop(self, message_id: str | None) -> bool:
        """Whether it was asked in time; not if it is about another message."""
        if self._run is None:
            self._stops.append(message_id)
        elif not _is_about(self._run, message_id):
            return False
        else:
            self._run.stop()
        return True

    def forget(self) -> None:
        """Takes it off the board. Who reads its log reads on."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._coordinator.remove(self)

    # What others find.

    async def open(self) -> LogSubscription | None:
        await self._decided.wait()
        if self._run is None:
            return None
        self.promises = max(0, self.promises - 1)
        return self._run.open()

    async def over(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._over.wait()
        except TimeoutError:
            return False
        return True

    # The lease.

    async def begin(self, run: LeasedRun) -> None:
        self._run = run
        self._decided.set()
        if any(_is_about(run, message_id) for message_id in self._stops):
            run.stop()

    async def durable(self) -> bool:
        return True

    async def release(self) -> None:
        self.forget()
        self._decided.set()
        self._over.set()

    async def end(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._over.set()
        if self.delivered and not self.promises:
            self.forget()
        else:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(UNDELIVERED_SECONDS, self.forget)


def _is_about(run: LeasedRun, message_id: str | None) -> bool:
    turn = run.turn
    return message_id in {None, turn.message_id, turn.messages[-1].id}
