"""Whatever a model writes, and however it is ended: the log is legal and ends once."""

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
from usechat_server.providers.retry import RetryPolicy
from usechat_server.runs import Runs
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

resolved_call = ToolPart(
    tool_name="t", tool_call_id="before", state="output-available", input={}, output=1
)
continued = st.sampled_from(
    [None, UIMessage(id="m", role="assistant", parts=[StepStartPart(), resolved_call])]
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
#: An action, and after how many turns of the event loop it happens.
events = st.tuples(
    st.integers(0, 30),
    st.sampled_from(["nothing", "disconnect", "stop", "drain", "stop and drain"]),
)


@settings(max_examples=300)
@given(
    batches=st.lists(st.lists(model_chunks, max_size=4), max_size=6),
    end=ends,
    event=events,
    client_version=st.sampled_from(CLIENT_VERSIONS),
    continued_message=continued,
)
def test_every_log_is_legal_and_ends_once(
    batches: list[list[Chunk]],
    end: StepResult | Exception | str,
    event: tuple[int, str],
    client_version: ClientVersion,
    continued_message: UIMessage | None,
) -> None:
    records: list[logging.LogRecord] = []

    async def play() -> None:
        script: list[ScriptEvent] = [event for batch in batches for event in (batch, 0.0)]
        if not isinstance(end, str):
            script.append(end)
        elif end == "silence":
            script.append(asyncio.Event())
        model = ScriptedModel(script)
        question = UIMessage(id="u", role="user", parts=[TextPart(text="?")])
        messages = [question, *([continued_message] if continued_message else [])]
        turn = Turn(
            user=None, chat_id="c", client_version=client_version, messages=messages, message_id="m"
        )
        runs = Runs()
        run = await start_run(runs, turn, Agent(model), RetryPolicy(attempts=2, first_wait=0.0))
        host = AsgiHost(run.response())
        responder = host.request()

        turns, action = event
        for _ in range(turns):
            await asyncio.sleep(0)
        if action == "disconnect":
            host.disconnect()
        if "stop" in action:
            run.stop()
        if "drain" in action or end == "silence":
            await asyncio.wait_for(runs.drain(0), LONG)
        await asyncio.wait_for(responder, LONG)
        await asyncio.wait_for(runs.aclose(), LONG)

        data = b""
        reader = run.log.reader(NEWEST_CLIENT_VERSION)
        while (piece := await reader.read()) is not None:
            data += piece
        grammar = StreamState(continued_message, client_version=client_version)
        log_chunks = chunks_of(data)
        for chunk in log_chunks:
            grammar.check(chunk)
        assert isinstance(log_chunks[-1], (Finish, Abort, Error))
        if end != StepResult("stop") and end != StepResult("tool-calls"):
            assert log_chunks[-1] not in (
                Finish(finish_reason="stop"),
                Finish(finish_reason="tool-calls"),
            )
        assert len(records) == 1
        for stream in model.streams:
            assert stream.closed.is_set() or not stream.called.is_set()
        if action != "disconnect":
            assert host.complete
            assert host.body.endswith(b"data: [DONE]\n\n")

    logger, handler = logging.getLogger("usechat.run"), logging.Handler()
    handler.emit = records.append  # type: ignore[method-assign, assignment]
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        asyncio.run(play())
    finally:
        logger.removeHandler(handler)
        logger.setLevel(logging.NOTSET)
