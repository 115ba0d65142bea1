"""Streams the log of a run as the response to a request."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import ExitStack

from usechat_server.coordination.base import ChatKey, Coordinator
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.errors import RESTARTING
from usechat_server.http.stream_response import StreamResponse
from usechat_server.run_log.encoding import Encoding
from usechat_server.run_log.position import Position
from usechat_server.telemetry.request import current_request

__all__ = ["RUN_HEADER", "run_response"]

#: The id of the run that a response streams: with it, a client stops that run and no later one.
RUN_HEADER = "x-usechat-run"


def run_response(
    subscription: LogSubscription,
    coordinator: Coordinator,
    key: ChatKey,
    encoding: Encoding,
    *,
    from_start: bool = False,
    after: Position | None = None,
    keep_alive: float = 10.0,
    send_timeout: float = 30.0,
) -> StreamResponse:
    """Return a stream of a run's log, closing the subscription at its end, or if there is none.

    Args:
        subscription: The log.
        coordinator: Is told when the client has received the whole log.
        key: The chat.
        encoding: What the client reads.
        from_start: Whether the stream begins with the message that the run continues.
        after: The stream begins after this position of the log, if it is known.
        keep_alive: Seconds of silence after which the encoding's keep-alive is sent.
        send_timeout: Seconds after which a client that reads nothing is disconnected.
    """

    async def acknowledge() -> None:
        await coordinator.mark_acknowledged(key, subscription.run_id)

    with ExitStack() as on_failure:
        # Otherwise the run would count a reader that never leaves.
        on_failure.callback(subscription.close)
        body = _LogBody(subscription, encoding, acknowledge, from_start=from_start, after=after)
        on_failure.callback(body.leave)
        response = StreamResponse(
            body,
            keep_alive=keep_alive,
            send_timeout=send_timeout,
            headers={
                RUN_HEADER: subscription.run_id,
                "x-content-type-options": "nosniff",
                **({} if (current := current_request()) is None else current.headers()),
            },
        )
        on_failure.pop_all()
    return response


class _LogBody:
    """A log as the body of one response."""

    def __init__(
        self,
        subscription: LogSubscription,
        encoding: Encoding,
        acknowledge: Callable[[], Awaitable[None]],
        *,
        from_start: bool,
        after: Position | None,
    ) -> None:
        self._subscription = subscription
        self.encoding: Encoding = encoding
        self._acknowledge = acknowledge
        self._reader = subscription.log.reader(encoding, from_start=from_start, after=after)
        self._has_ended = False
        # The reader's own methods: each call is one for every delta.
        self.read: Callable[[], bytes | None] = self._reader.read_nowait
        self.wait: Callable[[], Awaitable[None]] = subscription.log.wait_for_more

    async def complete(self) -> None:
        self._has_ended = True
        if self._reader.has_read_all:
            # The client does not know yet that the stream has ended, so its next request comes
            # after this.
            await self._acknowledge()

    def interrupt(self) -> bytes:
        if self._has_ended:
            return b""
        self._subscription.interrupt()
        rest = b""
        while data := self._reader.read_nowait():
            rest += data
        log = self._subscription.log
        if not log.has_ended:
            # The run continues in another process, but this response cannot.
            rest += self.encoding.encode(log.error_chunks(RESTARTING)) + self.encoding.end()
        return rest

    def leave(self) -> None:
        self._reader.close()
        self._subscription.close()

    async def aclose(self) -> None:
        self.leave()
