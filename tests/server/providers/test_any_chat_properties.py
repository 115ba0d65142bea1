"""A chat can never be made unusable: whatever is in its history, "Hello" is responded to."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from hypothesis import Phase, given, settings
from openai import AsyncOpenAI
from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, TextPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent, ClientTool, Model, Settings, Turn, create_app
from usechat_server.providers.anthropic import AnthropicModel
from usechat_server.providers.openai_chat import OpenAIChat
from usechat_server.store.sql import SqlChatStore

from tests.harness.fake_openai import FakeOpenAI
from tests.harness.fake_provider import FakeProvider, RecordedRequest, Reply
from tests.harness.fake_provider_events import message, text
from tests.harness.live import LiveServer, chunks
from tests.harness.stores import chat_request, open_store
from tests.server.providers.chat_histories import FORBIDDEN, account, expanded, histories

#: Examples of each test; `make test-full` tries more.
EXAMPLES = int(os.environ.get("USECHAT_EXAMPLES", "30"))

#: Finding the shortest example takes minutes: the first one has to do.
TRIES = settings(max_examples=EXAMPLES, phases=[Phase.reuse, Phase.generate])

HELLO = {"id": "hello", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}

_numbers = itertools.count()


def files_of(output: Any) -> Any:
    """Make files of an output, as an app's `to_model_output` does."""
    files = UIMessage.from_object({"id": "f", "role": "user", "parts": output["files"]}).parts
    return [part for part in files if isinstance(part, FilePart)] + [TextPart(text=output["words"])]


DRAW = ClientTool("draw", "", {"type": "object"}, to_model_output=files_of)


def may_use(turn: Turn, file_id: str) -> bool:
    return turn.chat_id != "c"


def respond(request: RecordedRequest) -> Reply:
    """Respond as Claude does: what it declined once is declined again."""
    if FORBIDDEN in json.dumps(request.json["messages"]):
        return Reply(message(stop_reason="refusal"))
    return Reply(message(text("Hi!")))


@pytest.fixture(scope="module", params=["anthropic", "openai-chat", "openai-compatible"])
def provider(request: pytest.FixtureRequest) -> Iterator[FakeProvider]:
    fake: FakeProvider = FakeProvider()
    if request.param != "anthropic":
        fake = FakeOpenAI("reasoning" if request.param == "openai-compatible" else None)
    with fake as provider:
        provider.account = account(type(provider))
        provider.on(respond)
        yield provider


def serve(provider: FakeProvider, store: str | None = None) -> LiveServer:
    model: Model
    if isinstance(provider, FakeOpenAI):
        url = f"{provider.url}/v1"
        openai = AsyncOpenAI(base_url=url, api_key="any", max_retries=0)
        model = OpenAIChat("m", client=openai)
    else:
        client = AsyncAnthropic(base_url=provider.url, api_key="any", max_retries=0)
        model = AnthropicModel("m", client=client)
    agent = Agent(model, tools=[DRAW], may_use_file=may_use)
    return LiveServer(create_app(agent, settings=Settings(max_body_bytes=10**8, store=store)))


@pytest.fixture(scope="module")
def server(provider: FakeProvider) -> Iterator[LiveServer]:
    """A server without a store."""
    with serve(provider) as server:
        yield server


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder: Path = tmp_path_factory.mktemp("store")
    return f"sqlite:///{folder}/chats.db"


@pytest.fixture(scope="module")
def store(store_url: str) -> Iterator[tuple[asyncio.Runner, SqlChatStore]]:
    with asyncio.Runner() as runner:
        opened = open_store(store_url)
        yield runner, runner.run(opened.__aenter__())
        runner.run(opened.__aexit__(None, None, None))


@pytest.fixture(scope="module")
def server_with_store(
    provider: FakeProvider, store_url: str, store: tuple[asyncio.Runner, SqlChatStore]
) -> Iterator[LiveServer]:
    with serve(provider, store_url) as server:
        yield server


def with_ids(history: list[Any]) -> list[Any]:
    """Return the messages of a history as a client has them."""
    return [{"id": f"m{number}", **each} for number, each in enumerate(expanded(history))]


def post(server: LiveServer, chat_id: str, **body: Any) -> None:
    """Send a request, and check that it is responded to."""
    # A number that is infinite for every parser is legal JSON.
    content = json.dumps({"id": chat_id, **body}).replace("Infinity", "1e999")
    response = server.request("POST", "/api/chat", content=content.encode())
    assert response.status_code == 200, response.text[:1000]
    received = chunks(response.text)
    last = received[-1]
    assert last["type"] == "finish", last
    assert [c["delta"] for c in received if c["type"] == "text-delta"] == ["Hi!"]


@settings(TRIES)
@given(history=histories)
def test_any_history_of_a_client_goes_on(server: LiveServer, history: list[Any]) -> None:
    post(server, "c", messages=[*with_ids(history), HELLO])


@settings(TRIES, max_examples=EXAMPLES // 4)
@given(history=histories)
def test_any_history_in_a_new_chat_goes_on(
    server_with_store: LiveServer, history: list[Any]
) -> None:
    post(server_with_store, f"c{next(_numbers)}", messages=[*with_ids(history), HELLO])


@settings(TRIES, max_examples=EXAMPLES // 2)
@given(history=histories)
def test_any_stored_history_goes_on(
    server_with_store: LiveServer,
    store: tuple[asyncio.Runner, SqlChatStore],
    history: list[Any],
) -> None:
    runner, opened = store
    chat_id = f"c{next(_numbers)}"
    runner.run(fill(opened, chat_id, with_ids(history)))
    post(server_with_store, chat_id, message=HELLO)
    # And what the chat has become by that can be read.
    assert server_with_store.request("GET", f"/api/chat/{chat_id}").status_code == 200


async def fill(store: SqlChatStore, chat_id: str, history: list[Any]) -> None:
    """Store a chat, as its turns wrote it."""
    question = {"id": "q", "role": "user", "parts": [{"type": "text", "text": "?"}]}
    pending = json_codec.decode(json_codec.encode(history))
    while pending:
        sent = pending.pop(0) if pending[0]["role"] == "user" else question
        sent = {**sent, "id": f"u{next(_numbers)}"}
        run_id = f"run-{next(_numbers)}"
        turn = await store.turn(chat_request(chat_id, message=sent), None, NEWEST_CLIENT_VERSION)
        await store.begin(turn, run_id=run_id)
        response = {"id": turn.message_id, "role": "assistant", "parts": []}
        if pending and pending[0]["role"] == "assistant":
            response = {**pending.pop(0), "id": turn.message_id}
        await store.finish(turn, UIMessage.from_object(response), "finished", (), run_id=run_id)
