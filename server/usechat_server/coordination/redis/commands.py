"""The state that all processes share, in Redis: one method for each thing that is asked of it."""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple, cast

from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, RedisError
from ui_message_stream import json_codec

from usechat_server.coordination.base import UNDELIVERED_SECONDS, ChatKey
from usechat_server.coordination.redis import scripts

__all__ = [
    "HEARTBEAT",
    "LEASE",
    "UNAVAILABLE",
    "Append",
    "Claimed",
    "Kept",
    "RedisCommands",
    "Taken",
    "chat_digest",
]

#: What a Redis that is away, or cannot be used, raises.
UNAVAILABLE = (RedisError, OSError)

#: Seconds between two renewals of a lease.
HEARTBEAT = 1.0
#: Seconds without a renewal after which the owner of a lease counts as dead.
LEASE = 5.0
#: Seconds in which the runs of an emptied Redis are written again by their owners.
SETTLE = 1.5 * HEARTBEAT
#: Seconds that a command may take. A Redis that is this slow is away.
_TIMEOUT = 2.0
#: Connections for commands. They are short, so that many requests can share few.
_CONNECTIONS = 32
#: Seconds that a read of news waits for some. Shorter than its socket's timeout.
_BLOCK = 5.0
#: Seconds that what nobody renews is kept.
_FORGET = 3600.0
#: Entries of each log that one read brings.
_NEWS = 256

#: Entries of a stream: their ids, and their fields.
Entries = list[tuple[str, Mapping[bytes, bytes]]]


def chat_digest(key: ChatKey) -> str:
    """A chat in the name of a Redis key: ids hold any character."""
    return hashlib.sha256(json_codec.encode(list(key))).hexdigest()[:32]


class Claimed(NamedTuple):
    """What a chat's key says."""

    run_id: str
    digest: str
    #: claimed, active or ended: then the chat is free
    state: str
    #: whether the log has its end, and whether somebody got it
    closed: bool
    delivered: bool


class HeldLease(NamedTuple):
    """A lease: a chat is a run's of this process, under an epoch."""

    d: str
    run_id: str
    epoch: int


class Append(NamedTuple):
    """A batch for a log: what is between two positions.

    `folded` takes the place of everything that was not folded before, this batch included.
    """

    held: HeldLease
    before: str
    at: str
    batch: bytes
    folded: Sequence[bytes]


class Taken(NamedTuple):
    """The lease of a dead owner, now this process's."""

    run_id: str
    epoch: int
    turn: bytes
    digest: str
    #: as in Kept
    stop: str
    #: how often it was taken over before
    takes: int


class Kept(NamedTuple):
    """How a lease was found at its renewal."""

    #: held, missing (Redis was emptied) or fenced (another process has the chat)
    word: str
    #: which message's turn is to be stopped, `*` whichever it is; empty: none
    stop: str
    #: processes that read the log elsewhere
    readers: int


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _chat(d: str) -> str:
    return f"usechat:chat:{d}"


def _log(run_id: str) -> str:
    return f"usechat:log:{run_id}"


def _folded(run_id: str) -> str:
    return f"usechat:folded:{run_id}"


def _readers(run_id: str) -> str:
    return f"usechat:readers:{run_id}"


_LEASES = "usechat:leases"
_SINCE = "usechat:since"


def _entries(found: Any) -> Entries:
    return [(identity.decode(), fields) for identity, fields in found]


class RedisCommands:
    """Redis, from one event loop of one process. Every method raises one of AWAY."""

    def __init__(self, url: str) -> None:
        #: this process among the others
        self.process = secrets.token_hex(8)
        # One more try at once: a connection that was idle may have been closed meanwhile.
        retry = Retry(NoBackoff(), 1)
        # Who finds all connections in use waits for one: the usual pool refuses it.
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=_CONNECTIONS,
            timeout=_TIMEOUT,
            socket_timeout=_TIMEOUT,
            socket_connect_timeout=_TIMEOUT,
            retry=retry,
        )
        self._redis: Any = Redis.from_pool(pool)
        self._news: Any = Redis.from_url(
            url, socket_timeout=2 * _BLOCK, socket_connect_timeout=_TIMEOUT, retry=retry
        )
        self._scripts = {
            text: self._redis.register_script(text)
            for text in (getattr(scripts, name) for name in scripts.__all__)
        }

    async def aclose(self) -> None:
        await self._redis.aclose()
        await self._news.aclose()

    # Leases

    async def claim(self, d: str, run_id: str, digest: str) -> int | None:
        """The epoch of a new lease; None if the chat is not free."""
        keys = [_chat(d), _LEASES, _SINCE]
        arguments = [d, run_id, digest, self.process, _ms(LEASE)]
        word, *rest = await self._settled(scripts.CLAIM, keys, arguments)
        return int(rest[0]) if word == b"claimed" else None

    async def find(self, d: str) -> Claimed | None:
        """The last turn of a chat that is still known."""
        word, *rest = await self._settled(scripts.FIND, [_chat(d), _SINCE], [])
        if word != b"found":
            return None
        run_id, digest, state, closed, delivered = (value.decode() for value in rest)
        return Claimed(run_id, digest, state, closed == "1", delivered == "1")

    async def running(self, ds: Sequence[str]) -> list[str | None]:
        """The run that is active in each chat, if one is."""
        pipeline = self._redis.pipeline(transaction=False)
        for d in ds:
            pipeline.hmget(_chat(d), ["run", "closed"])
        found = await pipeline.execute()
        return [run.decode() if run and not closed else None for run, closed in found]

    async def release(self, held: HeldLease) -> None:
        """Gives back a chat that was claimed."""
        await self._run(scripts.RELEASE, [_chat(held.d), _LEASES], [held.d, held.epoch])

    async def renew(self, leases: Iterable[HeldLease]) -> tuple[list[str], list[Kept]]:
        """Renews leases. First the chats whose owners are dead, then how each lease was found."""
        keys = [_LEASES, _SINCE]
        arguments: list[Any] = [_ms(LEASE), _ms(_FORGET)]
        for d, run_id, epoch in leases:
            keys += [_chat(d), _log(run_id), _folded(run_id), _readers(run_id)]
            arguments += [d, epoch]
        dead, *kept = await self._run(scripts.RENEW, keys, arguments)
        return [d.decode() for d in dead], [
            Kept(word.decode(), stop.decode(), readers) for word, stop, readers in kept
        ]

    async def take(self, d: str) -> Taken | None:
        """The lease of a dead owner, if nobody else was faster."""
        word, *rest = await self._run(
            scripts.TAKE, [_chat(d), _LEASES], [d, self.process, _ms(LEASE)]
        )
        if word != b"taken":
            return None
        run_id, epoch, turn, digest, stop, takes = rest
        return Taken(run_id.decode(), int(epoch), turn, digest.decode(), stop.decode(), int(takes))

    async def stop(self, d: str, run_id: str | None, message_id: str | None) -> str | None:
        """Asks the owner of a run to end it. The run's id; None if there is nothing to stop."""
        arguments = [run_id or "", message_id or "", _ms(_FORGET)]
        word, *rest = await self._run(scripts.STOP, [_chat(d)], arguments)
        return rest[0].decode() if word == b"asked" else None

    async def delivered(self, d: str, run_id: str, *, owned: bool) -> None:
        """Somebody has the end of a run. `owned`: of this process, whether Redis has it or not."""
        await self._run(scripts.DELIVERED, [_chat(d)], [run_id, "1" if owned else ""])

    async def promise(self, d: str, pages: int) -> str | None:
        """So many pages more, or less, will come to read a chat's run: its id, if there is one."""
        word, *rest = await self._run(scripts.PROMISE, [_chat(d)], [pages])
        return rest[0].decode() if word == b"ok" else None

    # A log, as its owner writes it. Each returns ok, missing or fenced.

    async def fill(
        self, held: HeldLease, at: str, fields: Mapping[str, str | bytes], pieces: Sequence[bytes]
    ) -> str:
        """Writes a log from its beginning up to a position, and what is known of its turn."""
        pairs = [value for pair in fields.items() for value in pair]
        arguments = [held.d, held.epoch, _ms(LEASE), _ms(_FORGET), at, len(fields), *pairs, *pieces]
        keys = [_chat(held.d), _LEASES, _log(held.run_id), _folded(held.run_id)]
        return await self._word(scripts.FILL, keys, arguments)

    async def append(self, appends: Sequence[Append]) -> list[str]:
        """Adds to logs, each on its own, all in one go."""
        words = await self._append(appends)
        if None in words:  # Redis was restarted and does not know the script
            await self._redis.script_load(scripts.APPEND)
            again = await self._append([a for a, w in zip(appends, words, strict=True) if not w])
            words = [word or again.pop(0) for word in words]
        return [word or "missing" for word in words]

    async def close(self, held: HeldLease, before: str, at: str) -> str:
        """The log has its end."""
        keys = [_chat(held.d), _log(held.run_id)]
        return await self._word(scripts.CLOSE, keys, [held.epoch, before, at])

    async def end(self, held: HeldLease, *, owed: bool) -> str:
        """The chat is free. `owed`: the same request is to get this answer, and no new turn."""
        run_id = held.run_id
        keys = [_chat(held.d), _LEASES, _log(run_id), _folded(run_id), _readers(run_id)]
        arguments = [held.d, held.epoch, "1" if owed else "", _ms(UNDELIVERED_SECONDS)]
        return await self._word(scripts.END, keys, arguments)

    # A log, as other processes read it

    async def turn(self, d: str, run_id: str) -> bytes | None:
        """The turn that a run answers; None if the run is not the chat's last one."""
        found, turn = await self._redis.hmget(_chat(d), ["run", "turn"])
        return cast(bytes, turn) if found == run_id.encode() else None

    async def log(self, run_id: str) -> tuple[list[bytes], Entries]:
        """All of a log, as it is at one moment: the large batches, then the entries."""
        pipeline = self._redis.pipeline(transaction=True)
        pipeline.lrange(_folded(run_id), 0, -1)
        pipeline.xrange(_log(run_id))
        pieces, entries = await pipeline.execute()
        return pieces, _entries(entries)

    async def news(self, wake: str, logs: Mapping[str, str]) -> tuple[str, dict[str, Entries]]:
        """What comes to logs (run id: the id of the last entry that is known), or something for
        this process since the last wake. Returns as soon as there is anything, or after a while.
        """
        own = f"usechat:wake:{self.process}"
        streams = {own: wake, **{_log(run_id): at for run_id, at in logs.items()}}
        found = await self._news.xread(streams, count=_NEWS, block=_ms(_BLOCK))
        news = {stream.decode(): _entries(entries) for stream, entries in found}
        for identity, _ in news.pop(own, []):
            wake = identity
        return wake, {run_id: news[_log(run_id)] for run_id in logs if _log(run_id) in news}

    async def wake(self, process: str) -> None:
        """Lets a process look at what it follows, or at its leases."""
        stream = f"usechat:wake:{process}"
        await self._redis.xadd(stream, {"d": ""}, maxlen=100, approximate=True)
        await self._redis.pexpire(stream, _ms(_FORGET))

    async def reads(self, run_ids: Iterable[str]) -> None:
        """This process has readers of these logs, still."""
        now, _ = await self._redis.time()
        pipeline = self._redis.pipeline(transaction=False)
        for run_id in run_ids:
            pipeline.zadd(_readers(run_id), {self.process: _ms(now + LEASE)})
            pipeline.pexpire(_readers(run_id), _ms(_FORGET))
        await pipeline.execute()

    async def joined(self, d: str, run_id: str) -> None:
        """The first reader of a log has come to this process."""
        await self.reads([run_id])
        await self._wake_owner(d)

    async def left(self, d: str, run_id: str) -> None:
        """The last one has left it."""
        await self._redis.zrem(_readers(run_id), self.process)
        await self._wake_owner(d)

    async def use(self, name: str, seconds: float) -> bool:
        """Whether nobody used a name before; it is remembered for so long."""
        return bool(await self._redis.set(f"usechat:used:{name}", "", nx=True, px=_ms(seconds)))

    async def _wake_owner(self, d: str) -> None:
        if owner := await self._redis.hget(_chat(d), "owner"):
            await self.wake(owner.decode())

    async def _append(self, appends: Sequence[Append]) -> list[str | None]:
        pipeline = self._redis.pipeline(transaction=False)
        sha = self._scripts[scripts.APPEND].sha
        for a in appends:
            keys = [_chat(a.held.d), _log(a.held.run_id), _folded(a.held.run_id)]
            pipeline.evalsha(sha, 3, *keys, a.held.epoch, a.before, a.at, a.batch, *a.folded)
        results = await pipeline.execute(raise_on_error=False)
        for result in results:
            if isinstance(result, Exception) and not isinstance(result, NoScriptError):
                raise result
        return [None if isinstance(r, Exception) else r[0].decode() for r in results]

    async def _settled(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        """The answer of a script, once the runs of an emptied Redis were written again."""
        while True:
            answer = await self._run(script, keys, [_ms(SETTLE), *arguments])
            if answer[0] != b"young":
                return answer
            await asyncio.sleep(HEARTBEAT / 4)

    async def _word(self, script: str, keys: list[str], arguments: list[Any]) -> str:
        (word,) = await self._run(script, keys, arguments)
        return cast(bytes, word).decode()

    async def _run(self, script: str, keys: list[str], arguments: list[Any]) -> list[Any]:
        return cast("list[Any]", await self._scripts[script](keys, arguments))
