"""UIMessageStreamResponse sends a legal stream, whatever the iterator of chunks does."""

from __future__ import annotations

import asyncio
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextvars import ContextVar

import anyio
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from starlette.background import BackgroundTask
from ui_message_stream.chunks import (
    Abort,
    Chunk,
    Custom,
    Error,
    Finish,
    FinishStep,
    Start,
    StartStep,
    TextDelta,
    TextEnd,
    TextStart,
    ToolInputAvailable,
    ToolInputDelta,
    ToolInputError,
    ToolInputStart,
)
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server.errors import ModelError
from usechat_server.http import stream_response
from usechat_server.http.response import UIMessageStreamResponse
from usechat_server.settings import cached_settings

from tests.harness.asgi_host import LONG, AsgiHost

HELLO: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="Hello")]


async def chunks(*items: Chunk | BaseException) -> AsyncIterator[Chunk]:
    for chunk in items:
        if isinstance(chunk, BaseException):
            raise chunk
        yield chunk


def only_error(response: list[Chunk]) -> str:
    """Return the text of the error that ends a stream."""
    assert isinstance(response[-1], Error)
    return response[-1].error_text


async def test_the_default_client_version_is_the_setting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Releases of `ai` before 7 do not know `custom`."""
    sent = {}
    for release in ("6.0.1", "7.0.173"):
        monkeypatch.setenv("USECHAT_CLIENT_VERSION", release)
        cached_settings.cache_clear()
        try:
            host = AsgiHost(UIMessageStreamResponse(chunks(Custom(kind="acme.note"))))
        finally:
            cached_settings.cache_clear()
        sent[release] = [chunk.type for chunk in await host.read_chunks()]
    assert "custom" not in sent["6.0.1"]
    assert "custom" in sent["7.0.173"]


async def test_missing_chunks_are_added() -> None:
    host = AsgiHost(UIMessageStreamResponse(chunks(*HELLO), message_id="m"))
    assert await host.read_chunks() == [
        Start(message_id="m"),
        StartStep(),
        *HELLO,
        TextEnd(id="0"),
        FinishStep(),
        Finish(),
    ]
    assert host.body.endswith(b"data: [DONE]\n\n")
    assert host.complete


async def test_chunks_of_the_iterator_are_not_added_twice() -> None:
    whole: list[Chunk] = [
        Start(message_id="own"),
        StartStep(),
        *HELLO,
        TextEnd(id="0"),
        FinishStep(),
        Finish(finish_reason="length"),
    ]
    stopped: list[Chunk] = [*whole[:-1], Abort()]
    for each in (whole, stopped):
        response = UIMessageStreamResponse(chunks(*each), client_version=NEWEST_CLIENT_VERSION)
        assert await AsgiHost(response).read_chunks() == each


async def test_a_message_is_continued() -> None:
    message = UIMessage(id="m", role="assistant", parts=[StepStartPart(), TextPart(text="a")])
    continuing = UIMessageStreamResponse(chunks(*HELLO), message=message)
    assert (await AsgiHost(continuing).read_chunks())[0] == Start(message_id="m")


async def test_an_exception_ends_the_stream_legally_without_details(
    caplog: pytest.LogCaptureFixture,
) -> None:
    failing = chunks(*HELLO, RuntimeError("password=hunter2 in /srv/app.py"))
    host = AsgiHost(UIMessageStreamResponse(failing))
    response = await host.read_chunks()

    text = only_error(response)
    assert TextEnd(id="0") in response
    assert b"hunter2" not in host.body
    assert b"/srv" not in host.body
    assert host.body.endswith(b"data: [DONE]\n\n")
    reference = re.findall(r"reference (\w+)", text)
    [record] = caplog.records
    assert reference[0] in record.getMessage()
    assert record.exc_info is not None
    assert "hunter2" in str(record.exc_info[1])


async def test_each_kind_of_model_error_has_its_text() -> None:
    async def error_text(error: ModelError) -> str:
        return only_error(await AsgiHost(UIMessageStreamResponse(chunks(error))).read_chunks())

    assert "overloaded" in await error_text(ModelError("529 {...}", "overloaded"))
    assert "too many requests" in await error_text(ModelError("429 {...}", "rate-limit"))
    assert "broke off" in await error_text(ModelError("EOF", "truncated"))


async def test_an_illegal_chunk_ends_the_stream_and_the_log_names_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed = asyncio.Event()

    async def misuse() -> AsyncIterator[Chunk]:
        try:
            yield TextStart(id="0")
            yield TextDelta(id="unknown", delta="secret words")
            yield TextDelta(id="0", delta="never read")
        finally:
            closed.set()

    host = AsgiHost(UIMessageStreamResponse(misuse()))
    only_error(await host.read_chunks())
    assert closed.is_set()
    assert "text-delta" in caplog.text
    assert "unknown" in caplog.text
    assert "in a step" in caplog.text
    assert b"never read" not in host.body


async def test_an_item_that_is_not_a_chunk_is_an_error(caplog: pytest.LogCaptureFixture) -> None:
    wrong: AsyncIterator[Chunk] = chunks({"type": "text-start", "id": "0"})  # type: ignore[arg-type]
    only_error(await AsgiHost(UIMessageStreamResponse(wrong)).read_chunks())
    assert "Traceback" in caplog.text


def test_a_list_of_chunks_is_rejected_at_construction() -> None:
    with pytest.raises(TypeError, match="list"):
        UIMessageStreamResponse(HELLO)  # type: ignore[arg-type]


async def test_a_value_that_is_not_json_is_an_error_after_the_chunks_before_it() -> None:
    call = ToolInputAvailable(tool_call_id="c", tool_name="t", input={"x": object()})
    host = AsgiHost(UIMessageStreamResponse(chunks(call), message_id="m"))
    assert [type(chunk) for chunk in await host.read_chunks()] == [Start, Error]
    assert host.chunks[0] == Start(message_id="m")

    signed = TextDelta(id="0", delta="!", provider_metadata={"acme": {"x": object()}})
    response = await AsgiHost(UIMessageStreamResponse(chunks(*HELLO, signed))).read_chunks()
    assert response[2:4] == HELLO
    assert [type(chunk) for chunk in response[4:]] == [TextEnd, Error]


async def test_an_incomplete_tool_input_is_closed_before_the_error() -> None:
    half = (
        ToolInputStart(tool_call_id="c", tool_name="t"),
        ToolInputDelta(tool_call_id="c", input_text_delta='{"ci'),
    )
    response = await AsgiHost(
        UIMessageStreamResponse(
            chunks(*half, OSError("reset")), client_version=NEWEST_CLIENT_VERSION
        )
    ).read_chunks()
    assert [type(chunk) for chunk in response[-2:]] in (
        [ToolInputError, Error],
        [FinishStep, Error],
    )
    assert any(isinstance(chunk, ToolInputError) for chunk in response)


async def test_an_exception_after_finish_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    response = await AsgiHost(
        UIMessageStreamResponse(chunks(*HELLO, Finish(), RuntimeError("late")))
    ).read_chunks()
    assert isinstance(response[-1], Finish)
    assert "late" in caplog.text


async def test_a_cancelled_task_of_the_iterator_is_an_error() -> None:
    async def waits() -> AsyncIterator[Chunk]:
        yield HELLO[0]
        inner = asyncio.create_task(asyncio.Event().wait())
        asyncio.get_running_loop().call_soon(inner.cancel)
        await inner

    only_error(await AsgiHost(UIMessageStreamResponse(waits())).read_chunks())


async def test_a_client_version_decides_what_is_sent() -> None:
    custom = Custom(kind="acme.note")
    assert (
        custom not in await AsgiHost(UIMessageStreamResponse(chunks(custom, *HELLO))).read_chunks()
    )
    newest = UIMessageStreamResponse(chunks(custom, *HELLO), client_version=NEWEST_CLIENT_VERSION)
    assert custom in await AsgiHost(newest).read_chunks()


async def test_each_chunk_is_one_write_and_waits_for_nothing() -> None:
    more = asyncio.Event()

    async def slow_chunks() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        await more.wait()
        yield TextDelta(id="0", delta="a")
        await asyncio.Event().wait()

    host = AsgiHost(UIMessageStreamResponse(slow_chunks()))
    responder = host.request()
    # The first byte comes before the first chunk, the start with it.
    await host.wait_for_body(lambda body: b"text-start" in body)
    assert [message["type"] for message in host.sent[:1]] == ["http.response.start"]
    assert host.sent[1]["body"] == b": stream-open\n\n"
    writes = len(host.sent)
    more.set()
    await host.wait_for_body(lambda body: b"text-delta" in body)
    assert len(host.sent) == writes + 1
    host.disconnect()
    await responder


async def test_one_task_runs_the_iterator_from_first_step_to_close() -> None:
    inside: ContextVar[str] = ContextVar("inside")
    closed = asyncio.Event()

    async def scoped() -> AsyncIterator[Chunk]:
        token = inside.set("yes")
        try:
            # Both raise when they are left in another task or context than they were entered in.
            with anyio.CancelScope():
                yield HELLO[0]
                await asyncio.Event().wait()
        finally:
            inside.reset(token)
            await asyncio.sleep(0)
            closed.set()

    host = AsgiHost(UIMessageStreamResponse(scoped()))
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    host.disconnect()
    await responder
    assert closed.is_set()


@pytest.mark.parametrize("stays", [True, False])
async def test_background_tasks_run_after_the_end_and_after_a_hang_up(stays: bool) -> None:
    ran = asyncio.Event()

    async def slow_chunks() -> AsyncIterator[Chunk]:
        yield HELLO[0]
        if not stays:
            await asyncio.Event().wait()

    async def note() -> None:
        ran.set()

    host = AsgiHost(UIMessageStreamResponse(slow_chunks(), background=BackgroundTask(note)))
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    host.disconnect()
    await responder
    assert ran.is_set()


async def test_a_host_that_cancels_the_request_closes_the_iterator_after_a_legal_end() -> None:
    closed = asyncio.Event()

    async def slow_chunks() -> AsyncIterator[Chunk]:
        try:
            yield HELLO[0]
            await asyncio.Event().wait()
        finally:
            assert host.complete
            closed.set()

    host = AsgiHost(UIMessageStreamResponse(slow_chunks()))
    responder = host.request()
    await host.wait_for_body(lambda body: b"text-start" in body)
    responder.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(responder, LONG)
    assert closed.is_set()
    assert "restarting" in only_error(host.chunks)
    assert TextEnd(id="0") in host.chunks
    assert host.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("reads_again", [True, False])
async def test_a_write_in_progress_completes_when_the_host_cancels(
    reads_again: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_response, "_INTERRUPT_SECONDS", LONG / 2 if reads_again else 0.05)

    async def slow_chunks() -> AsyncIterator[Chunk]:
        for chunk in HELLO:
            yield chunk
        for number in range(1000):
            yield TextDelta(id="0", delta=str(number))
            await asyncio.sleep(0)

    host = AsgiHost(UIMessageStreamResponse(slow_chunks(), keep_alive=3600))
    responder = host.request()
    await host.wait_for_body(lambda body: b"Hello" in body)
    host.reading.clear()
    for _ in range(10):
        await asyncio.sleep(0)  # until a write waits
    responder.cancel()
    await asyncio.sleep(0)
    if reads_again:
        host.reading.set()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(responder, LONG)
    assert host.complete == reads_again
    if reads_again:
        only_error(host.chunks)
        deltas = [chunk.delta for chunk in host.chunks if isinstance(chunk, TextDelta)]
        assert deltas[1:] == [str(number) for number in range(len(deltas) - 1)]


def test_an_event_loop_that_closes_ends_the_stream_legally() -> None:
    async def waits() -> AsyncIterator[Chunk]:
        yield HELLO[0]
        await asyncio.Event().wait()

    async def leave_running() -> AsgiHost:
        host = AsgiHost(UIMessageStreamResponse(waits()))
        host.request()
        await host.wait_for_body(lambda body: b"text-start" in body)
        return host

    only_error(asyncio.run(leave_running()).chunks)


async def test_a_slow_close_after_the_end_is_not_cancelled() -> None:
    class Closes:
        """An iterator that is slow to close."""

        def __init__(self) -> None:
            self._chunks = iter(HELLO)
            self.closed = False

        def __aiter__(self) -> Closes:
            return self

        async def __anext__(self) -> Chunk:
            if chunk := next(self._chunks, None):
                return chunk
            raise StopAsyncIteration

        async def aclose(self) -> None:
            await asyncio.sleep(0.05)
            self.closed = True

    source = Closes()
    # Comments would be due meanwhile: the host takes none after the end.
    host = AsgiHost(UIMessageStreamResponse(source, keep_alive=0.01))
    assert isinstance((await host.read_chunks())[-1], Finish)
    assert source.closed


def test_fastapi_keeps_the_status_headers_and_cookies_of_the_app() -> None:
    app = FastAPI()

    @app.post("/chat")
    def chat() -> UIMessageStreamResponse:
        response = UIMessageStreamResponse(
            chunks(*HELLO), status_code=201, headers={"X-Own": "1", "Cache-Control": "no-store"}
        )
        response.set_cookie("a", "b")
        return response

    response = TestClient(app).post("/chat")
    assert response.status_code == 201
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-accel-buffering"] == "no"
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert response.headers["x-own"] == "1"
    assert response.headers.get_list("cache-control") == ["no-store"]
    assert response.cookies["a"] == "b"
    assert "content-length" not in response.headers
    assert "Hello" in response.text


def test_importing_it_imports_no_provider_and_no_database() -> None:
    code = "import usechat_server.http.response, sys; print(*sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "starlette.responses" in run.stdout
    assert not {"anthropic", "aiohttp", "sqlalchemy", "redis"} & set(run.stdout.split())
