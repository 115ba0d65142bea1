"""A log as the answer to a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from ui_message_stream.chunks import Error
from ui_message_stream.sse import DONE, frames
from ui_message_stream.versions import ClientVersion

from usechat_server.coordination.base import ChatKey, Coordinator, LogSubscription
from usechat_server.errors import RESTARTING
from usechat_server.http.sse_response import EventStream

__all__ = ["RUN_HEADER", "log_response"]

#: Names the run that a response reads, so that a page can stop that one and no later one.
RUN_HEADER = "x-usechat-run"


def log_response(
    opened: LogSubscription,
    coordinator: Coordinator,
    key: ChatKey,
    client_version: ClientVersion,
    *,
    from_start: bool = False,
    keep_alive: float = 10.0,
    send_timeout: float = 30.0,
) -> EventStream:
    """Streams what the run says, to clients from `client_version` on; with `from_start`, after the
    message
    that it continues."""

    async def delivered() -> None:
        await coordinator.mark_acknowledged(key, opened.run_id)

    return EventStream(
        _Body(opened, client_version, delivered, from_start=from_start),
        keep_alive=keep_alive,
        send_timeout=send_timeout,
        headers={RUN_HEADER: opened.run_id},
    )


class _Body:
    """What one response reads. Not a generator: those do not notice a close before their start."""

    def __init__(
        self,
        opened: LogSubscription,
        client_version: ClientVersion,
        delivered: Callable[[], Awaitable[None]],
        *,
        from_start: bool,
    ) -> None:
        self._opened = opened
        self._client_version = client_version
        self._delivered = delivered
        self._reader = opened.log.reader(client_version, from_start=from_start)
        self._over = False

    def __aiter__(self) -> _Body:
        return self

    async def __anext__(self) -> bytes:
        data = await self._reader.read()
        if data is None:
            self._over = True
            if self._reader.has_read_all:
                # All of it was sent, and the client has not been told that it is over: what it
                # asks next comes after this.
                await self._delivered()
            raise StopAsyncIteration
        self._opened.record_write()
        return data

    def cut(self) -> bytes:
        if self._over:
            return b""
        self._opened.interrupt()
        rest = b""
        while data := self._reader.read_nowait():
            rest += data
        if not self._opened.log.has_ended:
            # It goes on in another process, but not for this client.
            rest += frames([Error(error_text=RESTARTING)], self._client_version) + DONE
        return rest

    async def aclose(self) -> None:
        self._reader.close()
        self._opened.close()
