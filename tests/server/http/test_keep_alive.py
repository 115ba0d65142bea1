"""Keep-alive comments are sent during silence, without disturbing the iterator."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from ui_message_stream.chunks import Chunk, Finish, TextDelta, TextStart
from usechat_server.http.response import UIMessageStreamResponse
from usechat_server.settings import cached_settings

from tests.harness.asgi_host import LONG, AsgiHost

COMMENT = b": keep-alive\n\n"


async def test_comments_come_before_the_first_chunk_and_between_chunks() -> None:
    first, second = asyncio.Event(), asyncio.Event()
    disturbed: list[BaseException] = []

    async def slow() -> AsyncIterator[Chunk]:
        try:
            await first.wait()
            yield TextStart(id="0")
            await second.wait()
            yield TextDelta(id="0", delta="x")
        except BaseException as error:
            disturbed.append(error)
            raise

    host = AsgiHost(UIMessageStreamResponse(slow(), keep_alive=0.01))
    responder = host.request()
    await host.wait_for_body(lambda body: body.count(COMMENT) >= 3)
    first.set()
    await host.wait_for_body(lambda body: b"text-start" in body)
    before = host.body.count(COMMENT)
    await host.wait_for_body(lambda body: body.count(COMMENT) >= before + 3)
    second.set()
    await asyncio.wait_for(responder, LONG)

    assert isinstance(host.chunks[-1], Finish)
    assert not disturbed


async def test_the_default_is_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    released = asyncio.Event()

    async def slow() -> AsyncIterator[Chunk]:
        await released.wait()
        yield TextStart(id="0")

    monkeypatch.setenv("USECHAT_KEEP_ALIVE", "0.01")
    cached_settings.cache_clear()
    try:
        host = AsgiHost(UIMessageStreamResponse(slow()))
    finally:
        cached_settings.cache_clear()
    response = host.request()
    await host.wait_for_body(lambda body: COMMENT in body)
    released.set()
    await asyncio.wait_for(response, LONG)


async def test_a_stream_without_silence_gets_no_comments() -> None:
    async def frequent() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        for _ in range(55):
            await asyncio.sleep(0.02)
            yield TextDelta(id="0", delta="x")

    host = AsgiHost(UIMessageStreamResponse(frequent(), keep_alive=1.0))
    await asyncio.wait_for(host.request(), LONG)
    assert COMMENT not in host.body


async def test_a_chunk_waits_for_the_comment_that_is_being_written() -> None:
    proceed, proceeded = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        await proceed.wait()
        proceeded.set()
        yield TextDelta(id="0", delta="x")

    host = AsgiHost(UIMessageStreamResponse(slow(), keep_alive=0.01))
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    host.reading.clear()
    await asyncio.wait_for(host.is_blocked.wait(), LONG)  # by a comment
    proceed.set()
    await asyncio.wait_for(proceeded.wait(), LONG)
    for _ in range(10):
        await asyncio.sleep(0)  # the delta could be written now
    host.reading.set()  # the host checks that no two writes overlap
    await asyncio.wait_for(responder, LONG)
    assert isinstance(host.chunks[-1], Finish)
