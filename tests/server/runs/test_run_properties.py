"""Whatever a model says, and whoever ends it when: the log is legal and ends once."""

from __future__ import annotations

import asyncio
import logging

from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import Abort, Chunk, Error, Finish
from ui_message_stream.messages import StepStartPart, TextPart, ToolPart, UIMessage
from ui_message_stream.state import StreamState
from ui_message_stream.versions import NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.errors import ModelError
from usechat_server.providers.base import StepResult
from usechat_server.runs import RetryPolicy, Runs
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, AsgiHost, chunks_of
from tests.harness.chunk_strategies import model_chunks
from tests.harness.lifecycle import start_run
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

CLIENT_VERSIONS = [
    ClientVersion(5),
    ClientVersion(5, 0, 92),
    ClientVersion(6),
    NEWEST_CLIENT_VERSION,
]

answered = ToolPart(
    tool_name="t", tool_call_id="before", state="output-available", input={}, output=1
)
continued = st.sampled_from(
    [None, UIMessage(id="m", role="assistant", parts=[StepStartPart(), answered])]
)
ends = st.sampled_from(
    [
        StepResult("stop"),
        StepResult("tool-calls"),
        ModelError("cut", "truncated"),
        ModelError("busy", "overloaded", retryable=True),
        RuntimeError("bug"),
        "silence",
        "no result",
    ]
)
#: What happens from outside, after how many turns of the event loop.
events = st.tuples(
    st.integers(0, 30), st.sampled_from(["nothing", "leave", "stop", "drain", "stop and drain"])
)


@settings(max_examples=300)
@given(
    batches=st.lists(st.lists(model_chunks, max_size=4), max_size=6),
    end=ends,
    event=events,
    client_version=st.sampled_from(CLIENT_VERSIONS),
    before=continued,
)
def test_every_log_is_legal_and_ends_once(
    batches: list[list[Chunk]],
    end: StepResult | Exception | str,
    event: tuple[int, str],
    client_version: ClientVersion,
    before: UIMessage | None,
) -> None:
    lines: list[logging.LogRecord] = []

    async def play() -> None:
        script: list[ScriptEvent] = [event for batch in batches for event in (batch, 0.0)]
        if not isinstance(end, str):
            script.append(end)
        elif end == "silence":
            script.append(asyncio.Event())
        model = ScriptedModel(script)
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        messages = [question, *([before] if before else [])]
        turn = Turn(
            user=None, chat_id="c", client_version=client_version, messages=messages, message_id="m"
        )
        runs = Runs()
        run = await start_run(runs, turn, Agent(model), RetryPolicy(attempts=2, first_wait=0.0))
        host = AsgiHost(run.response())
        responder = host.request()

        turns, what = event
        for _ in range(turns):
            await asyncio.sleep(0)
        if what == "leave":
            host.disconnect()
        if "stop" in what:
            run.stop()
        if "drain" in what or end == "silence":
            await asyncio.wait_for(runs.drain(0), LONG)
        await asyncio.wait_for(responder, LONG)
        await asyncio.wait_for(runs.aclose(), LONG)

        data = b""
        reader = run.log.reader(NEWEST_CLIENT_VERSION)
        while (piece := await reader.read()) is not None:
            data += piece
        grammar = StreamState(before, client_version=client_version)
        whole = chunks_of(data)
        for chunk in whole:
            grammar.check(chunk)
        assert isinstance(whole[-1], (Finish, Abort, Error))
        if end != StepResult("stop") and end != StepResult("tool-calls"):
            assert whole[-1] not in (
                Finish(finish_reason="stop"),
                Finish(finish_reason="tool-calls"),
            )
        assert len(lines) == 1
        for stream in model.streams:
            assert stream.closed.is_set() or not stream.called.is_set()
        if what != "leave":
            assert host.complete
            assert host.body.endswith(b"data: [DONE]\n\n")

    logger, handler = logging.getLogger("usechat.run"), logging.Handler()
    handler.emit = lines.append  # type: ignore[method-assign, assignment]
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        asyncio.run(play())
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
