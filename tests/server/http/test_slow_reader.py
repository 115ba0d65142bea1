"""The stream waits for a slow client, and disconnects one that reads nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.types import Message
from ui_message_stream.chunks import Chunk, Finish, TextDelta, TextStart
from usechat_server.http import stream_response
from usechat_server.http.response import UIMessageStreamResponse

from tests.harness.asgi_host import LONG, AsgiHost


@pytest.mark.parametrize("silent", [False, True], ids=["in a delta", "in a keep-alive"])
async def test_a_write_that_takes_too_long_ends_the_stream(silent: bool) -> None:
    closed, dropped = asyncio.Event(), asyncio.Event()

    async def sent_chunks() -> AsyncIterator[Chunk]:
        try:
            yield TextStart(id="0")
            while True:
                await (asyncio.Event().wait() if silent else asyncio.sleep(0.001))
                yield TextDelta(id="0", delta="x")
        finally:
            closed.set()

    # The timeout holds whether or not a keep-alive would have been due before it.
    response = UIMessageStreamResponse(
        sent_chunks(), keep_alive=0.01 if silent else 3600, send_timeout=0.1
    )
    host = AsgiHost(response, extensions={"usechat.abort": dropped.set})
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    host.reading.clear()
    await asyncio.wait_for(responder, LONG)

    assert closed.is_set()
    assert dropped.is_set()  # the socket too, where the host offers that
    assert not host.complete  # a part must not look like the whole response


async def test_a_host_that_cannot_close_connections_is_named_once(
    caplog: pytest.LogCaptureFixture,
) -> None:
    stream_response._warn_of_kept_connection.cache_clear()

    async def sent_chunks() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        await asyncio.Event().wait()

    for _ in range(2):
        host = AsgiHost(UIMessageStreamResponse(sent_chunks(), keep_alive=0.01, send_timeout=0.1))
        responder = host.request()
        await host.wait_for_body(lambda body: b"text-start" in body)
        host.reading.clear()
        await asyncio.wait_for(responder, LONG)
    [message] = [message for message in caplog.messages if "read nothing for" in message]
    assert "`usechat-server serve` can close" in message


async def test_the_last_write_has_a_timeout_too() -> None:
    class StopsReading(AsgiHost):
        async def _send(self, message: Message) -> None:
            if message.get("more_body") is False:
                self.reading.clear()
            await super()._send(message)

    async def sent_chunks() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")

    dropped = asyncio.Event()
    response = UIMessageStreamResponse(sent_chunks(), send_timeout=0.1)
    await asyncio.wait_for(
        StopsReading(response, extensions={"usechat.abort": dropped.set}).request(), LONG
    )
    assert dropped.is_set()


async def test_the_iterator_waits_for_the_client_and_goes_on_when_it_reads() -> None:
    sent_chunks = 0

    async def counts() -> AsyncIterator[Chunk]:
        nonlocal sent_chunks
        yield TextStart(id="0")
        for _ in range(20):
            sent_chunks += 1
            yield TextDelta(id="0", delta="x")

    host = AsgiHost(UIMessageStreamResponse(counts(), keep_alive=0.01, send_timeout=LONG))
    host.reading.clear()
    responder = host.request()
    await asyncio.sleep(0.05)  # several keep-alive intervals, in which nothing may be written
    assert sent_chunks == 0
    host.reading.set()
    await asyncio.wait_for(responder, LONG)
    assert isinstance(host.chunks[-1], Finish)
    assert sent_chunks == 20
