"""The coordinator of a process that shares its chats with no other."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from weakref import ref

from usechat_server.coordination.base import (
    COMPLETE_OUTCOMES,
    UNACKNOWLEDGED_SECONDS,
    ChatKey,
    LeasedRun,
    LogSubscription,
)
from usechat_server.coordination.stop import STOP_SECONDS, concerns, message_ids
from usechat_server.results import Outcome
from usechat_server.run_log.log import Log

__all__ = ["LocalCoordinator"]

#: How many chats are remembered whose client has asked for a run.
_MAX_RESUMED = 10_000


class LocalCoordinator:
    """Keeps the runs in memory, see `Coordinator`."""

    def __init__(self) -> None:
        self._runs: dict[ChatKey, _LocalRun] = {}
        #: chats whose client has asked for a run, the last one that did so last
        self._resumed: OrderedDict[ChatKey, None] = OrderedDict()

    async def acquire(self, key: ChatKey, run_id: str, request_digest: str) -> _LocalRun | None:
        current = self._runs.get(key)
        if current is not None:
            if not current.is_free or current.answers_request(request_digest):
                return None
            current.forget()
        run = self._runs[key] = _LocalRun(self, key, run_id, request_digest)
        return run

    async def adopt(self, key: ChatKey, run_id: str) -> _LocalRun | None:
        return await self.acquire(key, run_id, "")

    async def former_log(self, key: ChatKey, run_id: str) -> None:
        return None  # it was in the memory of the process

    async def get(self, key: ChatKey) -> _LocalRun | None:
        return self._runs.get(key)

    async def active_run_ids(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        runs = ((key, self._runs.get(key)) for key in keys)
        return {key: run.run_id for key, run in runs if run is not None and not run.has_ended}

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        run = self._runs.get(key)
        if run is None or run_id not in {None, run.run_id}:
            return
        if run.request_stop(message_id):
            await run.wait_until_free(STOP_SECONDS)

    async def mark_acknowledged(self, key: ChatKey, run_id: str) -> None:
        run = self._runs.get(key)
        if run is not None and run.run_id == run_id and run.has_ended:
            run.is_acknowledged = True
            if run.is_free and not run.expected_readers:
                run.forget()

    async def expect_reader(self, key: ChatKey) -> str | None:
        run = self._runs.get(key)
        if run is None:
            return None
        run.expected_readers += 1
        return run.run_id

    async def record_resumption(self, key: ChatKey) -> None:
        self._resumed[key] = None
        self._resumed.move_to_end(key)
        if len(self._resumed) > _MAX_RESUMED:
            self._resumed.popitem(last=False)

    async def is_resumed(self, key: ChatKey) -> bool:
        return key in self._resumed

    async def aclose(self) -> None:
        for run in list(self._runs.values()):
            run.forget()

    def remove(self, run: _LocalRun) -> None:
        """Drop a run; does nothing if another one has taken its place."""
        if self._runs.get(run.key) is run:
            del self._runs[run.key]


class _EndedLog:
    """A log that has ended, and how many clients read it."""

    def __init__(self, run: LeasedRun) -> None:
        self.log = run.log
        #: subscriptions that began after the end
        self.readers: int = 0
        #: not the run itself: it has the history of the chat
        self._run = ref(run)
        self.message_ids: Collection[str] = message_ids(run.turn)

    def count_readers(self) -> int:
        """Return how many clients read it, also those that came before the end."""
        run = self._run()
        return self.readers + (0 if run is None else run.readers)


class _EndedLogSubscription:
    """See `LogSubscription`."""

    def __init__(self, run_id: str, ended: _EndedLog) -> None:
        self.run_id = run_id
        self.log: Log = ended.log
        self._ended: _EndedLog | None = ended
        ended.readers += 1

    def interrupt(self) -> None:
        pass

    def record_write(self) -> None:
        pass

    def close(self) -> None:
        if self._ended is not None:
            self._ended.readers -= 1
            self._ended = None


class _LocalRun:
    """A run of this process: both its `Lease` and the `RunHandle` that requests get of it.

    One object is both because there is nothing between them: what the owner does to the lease is
    what a handle shows at once.
    """

    #: without a store, no other process can own it
    is_valid = True

    def __init__(
        self, coordinator: LocalCoordinator, key: ChatKey, run_id: str, request_digest: str
    ) -> None:
        self.key = key
        self.run_id = run_id
        self.request_digest = request_digest
        self.epoch = 0
        self.log_id = run_id
        self.is_acknowledged = False
        #: clients that will still come to read it
        self.expected_readers: int = 0
        self._coordinator = coordinator
        #: None before it begins, and after the end
        self._run: LeasedRun | None = None
        self._ended: _EndedLog | None = None
        self._outcome: Outcome | None = None
        #: set when it has begun or was released
        self._begun_or_released = asyncio.Event()
        self._free = asyncio.Event()
        #: stop requests before it began: the message of each, or None for any
        self._stop_requests: list[str | None] = []
        self._expiry: asyncio.TimerHandle | None = None

    @property
    def is_free(self) -> bool:
        """Whether its lease has ended or was released."""
        return self._free.is_set()

    def answers_request(self, request_digest: str) -> bool:
        """Whether this ended run is still the response to a repeated request."""
        return (
            self.request_digest == request_digest
            and not self.is_acknowledged
            and self._outcome in COMPLETE_OUTCOMES
        )

    def request_stop(self, message_id: str | None) -> bool:
        """Stop the run, now or when it begins; False if it is about another message."""
        if self._run is None:
            self._stop_requests.append(message_id)  # or it has ended
        elif not concerns(self._run.turn, message_id):
            return False
        else:
            self._run.stop()
        return True

    def forget(self) -> None:
        """Drop it from the coordinator. Current readers of its log are not affected."""
        if self._expiry is not None:
            self._expiry.cancel()
        self._coordinator.remove(self)

    # RunHandle

    @property
    def has_ended(self) -> bool:
        return self.is_free or (self._run is not None and self._run.log.has_ended)

    @property
    def is_complete(self) -> bool:
        return self._outcome in COMPLETE_OUTCOMES

    @property
    def message_ids(self) -> Collection[str]:
        if self._ended is not None:
            return self._ended.message_ids
        return () if self._run is None else message_ids(self._run.turn)

    @property
    def readers(self) -> int:
        if self._ended is not None:
            return self._ended.count_readers()
        # The client that starts a run comes to read it.
        return 1 if self._run is None else self._run.readers

    async def subscribe(self) -> LogSubscription | None:
        await self._begun_or_released.wait()
        self.expected_readers = max(0, self.expected_readers - 1)
        if self._ended is not None:
            return _EndedLogSubscription(self.run_id, self._ended)
        return None if self._run is None else self._run.subscribe()

    async def wait_until_free(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(seconds):
                await self._free.wait()
        except TimeoutError:
            return False
        return True

    # Lease

    async def begin(self, run: LeasedRun) -> None:
        self._run = run
        self._begun_or_released.set()
        if any(concerns(run.turn, message_id) for message_id in self._stop_requests):
            run.stop()

    async def wait_until_durable(self) -> bool:
        return True

    async def release(self) -> None:
        self.forget()
        self._begun_or_released.set()
        self._free.set()

    async def end(self, outcome: Outcome) -> None:
        self._outcome = outcome
        self._free.set()
        if self._run is not None:
            self._ended, self._run = _EndedLog(self._run), None
        if self.is_acknowledged and not self.expected_readers:
            self.forget()
        else:
            loop = asyncio.get_running_loop()
            self._expiry = loop.call_later(UNACKNOWLEDGED_SECONDS, self.forget)
