"""Every client reads every log, whatever the provider sends and however the run ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import httpx2
import pytest
from anthropic import AsyncAnthropic
from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import Chunk, Error, parse_chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.sse import Decoder
from ui_message_stream.state import StreamState
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.providers.retry import RetryPolicy
from usechat_server.runs.registry import Runs
from usechat_server.tools import ClientTool
from usechat_server.turn import Turn

from tests.clients.conversation import RELEASES
from tests.harness.fake_provider_events import Pause, to_sse
from tests.harness.lifecycle import start_run
from tests.harness.node import CLIENTS, NodeProcess
from tests.server.providers.anthropic.strategies import event_sequences

#: Before 5.0.31 a client continues automatically after an error, too.
LOOPS_ON_ERRORS = ClientVersion(5, 0, 31)
QUESTION = {"id": "q", "role": "user", "parts": [{"type": "text", "text": "Weather?"}]}
ANSWERED: list[dict[str, Any]] = [
    {"state": "output-available", "input": {"city": "Bern"}, "output": None},
    {"state": "output-error", "input": {"city": "Bern"}, "errorText": "No station"},
]
APPROVED: dict[str, Any] = {
    "state": "approval-responded",
    "input": {},
    "approval": {"id": "approval_1", "approved": True},
}


@dataclass(frozen=True)
class ProviderResponse:
    """What the provider sends, and what ends the run early."""

    #: the pieces of the body
    pieces: Sequence[bytes]
    #: whether the connection is reset after them
    breaks: bool
    #: the method of the run that ends it after this many reads
    end: Literal["stop", "interrupt"] | None
    after: int


class Provider(httpx2.AsyncBaseTransport):
    """Sends the same response to every request."""

    response: ProviderResponse

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, content=self._body())

    async def _body(self) -> AsyncIterator[bytes]:
        for piece in self.response.pieces:
            yield piece
        if self.response.breaks:
            raise httpx2.ReadError("reset by the test")


class Server:
    """Runs against that provider, in one event loop for all examples."""

    def __init__(self, runner: asyncio.Runner) -> None:
        self._provider = Provider()
        self._runner = runner
        client = AsyncAnthropic(
            api_key="any", http_client=httpx2.AsyncClient(transport=self._provider)
        )
        self._agent = Agent(
            AnthropicModel("claude-sonnet-5-5", client=client),
            tools=[ClientTool("weather", "", {"type": "object"})],
            max_tokens=100,
        )

    def send(self, turn: Turn, response: ProviderResponse) -> bytes:
        """Return the stream of a turn."""
        self._provider.response = response
        return self._runner.run(self._send(turn, response))

    async def _send(self, turn: Turn, response: ProviderResponse) -> bytes:
        run = await start_run(Runs(), turn, self._agent, RetryPolicy(attempts=1))
        reader = run.log.reader(turn.client_version)
        pieces: list[bytes] = []
        while True:
            if len(pieces) == response.after:
                if response.end == "stop":
                    run.stop()
                elif response.end == "interrupt":
                    run.interrupt()
            data = await reader.read()
            if data is None:
                return b"".join(pieces)
            pieces.append(data)


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with NodeProcess(CLIENTS / "driver" / "main.mjs") as process:
        yield process


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with asyncio.Runner() as runner:
        yield Server(runner)


@st.composite
def turns(draw: st.DrawFn) -> Turn:
    """A turn with a question, or with outputs of tool calls."""
    client_version = ClientVersion.parse(draw(st.sampled_from(RELEASES)))
    history = [UIMessage.from_object(QUESTION)]
    states = [*ANSWERED, APPROVED] if client_version >= (6,) else ANSWERED
    call_states = draw(st.lists(st.sampled_from(states), max_size=2))
    if call_states:
        calls = [
            {"type": "tool-weather", "toolCallId": f"toolu_before_{number}", **state}
            for number, state in enumerate(call_states)
        ]
        parts = [{"type": "step-start"}, *calls]
        message = {"id": "msg_1", "role": "assistant", "parts": parts}
        history.append(UIMessage.from_object(message))
    return Turn(None, "chat", client_version, history, "msg_1")


@st.composite
def responses(draw: st.DrawFn) -> ProviderResponse:
    events = draw(event_sequences)
    body = b"".join(to_sse(event) for event in events if not isinstance(event, Pause))
    size = draw(st.integers(20, 2000))
    return ProviderResponse(
        pieces=[body[at : at + size] for at in range(0, len(body), size)],
        breaks=draw(st.booleans()),
        end=draw(st.sampled_from([None, None, "stop", "interrupt"])),
        after=draw(st.integers(0, 4)),
    )


@given(turn=turns(), response=responses())
@settings(max_examples=250)
def test_every_client_reads_every_log(
    node: NodeProcess, server: Server, turn: Turn, response: ProviderResponse
) -> None:
    sent = server.send(turn, response)
    chunks = parse_stream(sent)
    if turn.client_version >= DEFAULT_CLIENT_VERSION:
        grammar = StreamState(turn.continued, client_version=turn.client_version)
        for chunk in chunks:
            grammar.check(chunk)

    releases = [
        release for release in RELEASES if ClientVersion.parse(release) >= turn.client_version
    ]
    continued = turn.continued.to_object() if turn.continued else None
    streams = [
        {"release": release, "body": sent.decode(), "message": continued} for release in releases
    ]
    for release, read in zip(releases, node.call("validate", streams=streams), strict=True):
        error = read["error"] and read["error"]["message"]
        sent_error = chunks[-1].error_text if isinstance(chunks[-1], Error) else None
        assert error == sent_error, f"{release} does not accept the stream"
        assert read["messageCount"] == 2
        if sent_error is None or turn.client_version < LOOPS_ON_ERRORS:
            assert not read["again"], f"{release} would repeat the same request"
    # The last release is the newest, which our reducer is to equal.
    assert read["message"] == reduce(chunks, turn.continued).to_object()


def parse_stream(sent: bytes) -> list[Chunk]:
    decoder = Decoder()
    payloads = [*decoder.feed(sent), *decoder.end()]
    return [parse_chunk(json.loads(payload)) for payload in payloads if payload != "[DONE]"]
