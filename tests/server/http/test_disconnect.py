"""When the client leaves, the iterator, or the run and its provider, are closed at once.

The same over real sockets and servers is in `tests/hosts`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from ui_message_stream.chunks import Chunk, TextDelta, TextStart
from usechat_server.http.response import UIMessageStreamResponse

from tests.harness.asgi_host import LONG, AsgiHost


class SlowChunks:
    """An iterator of chunks that records when it was closed."""

    def __init__(self, pause: float | None) -> None:
        self.closed = asyncio.Event()
        self._pause = pause

    async def chunks(self) -> AsyncIterator[Chunk]:
        try:
            yield TextStart(id="0")
            while True:
                yield TextDelta(id="0", delta="x")
                await (
                    asyncio.Event().wait() if self._pause is None else asyncio.sleep(self._pause)
                )
        finally:
            self.closed.set()


@pytest.mark.parametrize("raises", [False, True], ids=["2.3", "2.4"])
async def test_a_silent_iterator_is_closed_when_the_host_reports_the_disconnect(
    raises: bool,
) -> None:
    source = SlowChunks(pause=None)
    host = AsgiHost(
        UIMessageStreamResponse(source.chunks(), keep_alive=3600), raises_on_send=raises
    )
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    assert source.closed.is_set()
    assert not host.complete


async def test_an_error_of_send_is_a_disconnect() -> None:
    source = SlowChunks(pause=0.001)
    host = AsgiHost(
        UIMessageStreamResponse(source.chunks()), reports_disconnect=False, raises_on_send=True
    )
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    assert source.closed.is_set()


async def test_a_keep_alive_comment_notices_the_disconnect_of_a_silent_stream() -> None:
    source = SlowChunks(pause=None)
    response = UIMessageStreamResponse(source.chunks(), keep_alive=0.02)
    host = AsgiHost(response, reports_disconnect=False, raises_on_send=True)
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    assert source.closed.is_set()


async def test_nothing_runs_for_a_client_that_left_before() -> None:
    source = SlowChunks(pause=None)
    host = AsgiHost(UIMessageStreamResponse(source.chunks(), keep_alive=3600), raises_on_send=True)
    host.disconnect()
    await asyncio.wait_for(host.request(), LONG)
    assert host.sent == []


async def test_a_disconnect_that_is_noticed_twice_cancels_once() -> None:
    began_to_save, may_save, saved = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def saves() -> AsyncIterator[Chunk]:
        try:
            yield TextStart(id="0")
            while True:
                await asyncio.sleep(0.001)
                yield TextDelta(id="0", delta="x")
        finally:
            began_to_save.set()
            await may_save.wait()
            saved.set()

    host = AsgiHost(UIMessageStreamResponse(saves()), raises_on_send=True)
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    host.disconnect(noticed=False)
    await asyncio.wait_for(began_to_save.wait(), LONG)
    host.notice_disconnect()
    for _ in range(10):
        await asyncio.sleep(0)  # the app could cancel it again now
    may_save.set()
    await asyncio.wait_for(responder, LONG)
    assert saved.is_set()


@pytest.mark.parametrize("tells", [True, False], ids=["reported", "noticed"])
async def test_the_cleanup_of_the_iterator_is_not_cancelled(tells: bool) -> None:
    saved = asyncio.Event()

    async def saves() -> AsyncIterator[Chunk]:
        try:
            yield TextStart(id="0")
            await asyncio.Event().wait()
        finally:
            # Longer than all timeouts here, while the host goes on saying that the client left.
            await asyncio.sleep(0.1)
            saved.set()

    response = UIMessageStreamResponse(saves(), keep_alive=0.01, send_timeout=0.02)
    host = AsgiHost(response, reports_disconnect=tells, raises_on_send=True)
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    host.disconnect()
    await asyncio.wait_for(responder, LONG)
    assert saved.is_set()
