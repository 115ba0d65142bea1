"""The coordinator of a process that shares its chats with no other."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Collection, Mapping
from weakref import ref

from usechat_server.coordination.base import UNACKNOWLEDGED_SECONDS, ChatKey, RunState
from usechat_server.coordination.lease import COMPLETE_OUTCOMES, LeasedRun
from usechat_server.coordination.stop import STOP_SECONDS, concerns, message_ids
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.results import Outcome

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

    async def get(self, key: ChatKey) -> RunState | None:
        run = self._runs.get(key)
        return None if run is None else run.state()

    async def subscribe(self, key: ChatKey, run_id: str) -> LogSubscription | None:
        run = self._find(key, run_id)
        return None if run is None else await run.subscribe()

    async def wait_until_free(self, key: ChatKey, run_id: str, seconds: float) -> bool:
        run = self._find(key, run_id)
        return run is None or await run.wait_until_free(seconds)

    async def active_run_ids(self, keys: Collection[ChatKey]) -> Mapping[ChatKey, str]:
        runs = ((key, self._runs.get(key)) for key in keys)
        return {key: run.run_id for key, run in runs if run is not None and not run.has_ended}

    async def stop(
        self, key: ChatKey, *, run_id: str | None = None, message_id: str | None = None
    ) -> None:
        run = self._find(key, run_id)
        if run is not None and run.request_stop(message_id):
            await run.wait_until_free(STOP_SECONDS)

    async def mark_acknowledged(self, key: ChatKey, run_id: str) -> None:
        run = self._find(key, run_id)
        if run is not None and run.has_ended:
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

    def _find(self, key: ChatKey, run_id: str | None) -> _LocalRun | None:
        """Return the run of a chat, if it has this id."""
        run = self._runs.get(key)
        return run if run is not None and run_id in {None, run.run_id} else None


class _EndedLog:
    """A log that has ended, and how many clients read it."""

    def __init__(self, run: LeasedRun) -> None:
        self.log = run.log
        #: subscriptions that began after the end
        self._readers: int = 0
        #: not the run itself: it has the history of the chat
        self._run = ref(run)

    @property
    def readers(self) -> int:
        """How many clients read it, also those that came before the end."""
        run = self._run()
        return self._readers + (0 if run is None else run.readers)

    def subscribe(self, run_id: str) -> LogSubscription:
        """Add a reader."""
        self._readers += 1
        return LogSubscription(run_id, self.log, self._remove_reader)

    def _remove_reader(self) -> None:
        self._readers -= 1


class _LocalRun:
    """A run of this process, which is its own `Lease`."""

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
        self._message_ids: tuple[str, ...] = ()
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

    @property
    def has_ended(self) -> bool:
        """Whether its log has its end."""
        return self.is_free or (self._run is not None and self._run.log.has_ended)

    def state(self) -> RunState:
        """Return what requests learn of it."""
        run = self._ended or self._run
        return RunState(
            self.run_id,
            self.request_digest,
            "ended" if self.is_free else "claimed" if self._run is None else "active",
            self.has_ended,
            self.is_acknowledged,
            self._outcome in COMPLETE_OUTCOMES,
            self._message_ids,
            # The client that starts a run comes to read it.
            1 if run is None else run.readers,
        )

    async def subscribe(self) -> LogSubscription | None:
        """Wait until its log begins, and read it; None if it was released."""
        await self._begun_or_released.wait()
        self.expected_readers = max(0, self.expected_readers - 1)
        if self._ended is not None:
            return self._ended.subscribe(self.run_id)
        return None if self._run is None else self._run.subscribe()

    async def wait_until_free(self, seconds: float) -> bool:
        """Wait until it has freed its chat; False after so many seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._free.wait()
        except TimeoutError:
            return False
        return True

    # Lease

    async def begin(self, run: LeasedRun) -> None:
        self._run, self._message_ids = run, message_ids(run.turn)
        self._begun_or_released.set()
        if any(concerns(run.turn, message_id) for message_id in self._stop_requests):
            run.stop()

    async def wait_until_durable(self) -> bool:
        return True

    async def release(self) -> None:
        self.drop()

    def drop(self) -> None:
        self.forget()
        self._run = None
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
