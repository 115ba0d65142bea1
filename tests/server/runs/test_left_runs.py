"""Runs whose client left them are joined, replaced or ended, and nothing is paid for twice."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from usechat_server import Agent, Settings, create_app
from usechat_server.chat_request import MessageIds
from usechat_server.coordination.base import ChatKey, RunState
from usechat_server.errors import ChatConflict
from usechat_server.http import assembly
from usechat_server.runs import busy_chats
from usechat_server.runs.busy_chats import BusyChats

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient

QUESTION = user("Hello", id="u1")


class Chat:
    """A chat with a store, and what `useChat` sends."""

    def __init__(self, server: LiveServer, model: ScriptedModel) -> None:
        self.server = server
        self.model = model

    def post(self, *messages: Any, **fields: Any) -> StreamClient:
        body = {"id": "c1", "messages": list(messages), "trigger": "submit-message", **fields}
        return StreamClient("POST", f"{self.server.url}/api/chat", body)

    def start(self) -> StreamClient:
        client = self.post(QUESTION)
        client.wait_for_text("Hello")
        return client

    def resume(self) -> StreamClient:
        return StreamClient("GET", f"{self.server.url}/api/chat/c1/stream")

    def regenerate(self, **fields: Any) -> StreamClient:
        return self.post(QUESTION, trigger="regenerate-message", **fields)

    def stored_texts(self) -> list[str]:
        messages = self.server.request("GET", "/api/chat/c1").json()["messages"]
        return ["".join(part.get("text", "") for part in each["parts"]) for each in messages]


@contextmanager
def serve_chat(tmp_path: Path, **settings: Any) -> Iterator[Chat]:
    model = ScriptedModel(*text("Hel", "lo"), hold=True)
    app = create_app(
        Agent(model), store=f"sqlite:///{tmp_path}/chats.db", settings=Settings(**settings)
    )
    with LiveServer(app) as server:
        yield Chat(server, model)
        model.release()


@pytest.fixture
def chat(tmp_path: Path) -> Iterator[Chat]:
    with serve_chat(tmp_path) as chat:
        yield chat


def partial(client: StreamClient) -> Any:
    """What the client has of the response."""
    return client.message().to_object()


@pytest.mark.parametrize("names_message", [True, False])
@pytest.mark.parametrize("has_ended", [True, False])
def test_a_response_is_regenerated_after_a_lost_connection(
    chat: Chat, *, has_ended: bool, names_message: bool
) -> None:
    with chat.start() as lost:
        fields = {"messageId": partial(lost)["id"]} if names_message else {}
    if has_ended:
        chat.model.release()
    with chat.regenerate(**fields) as retry:
        retry.wait_for_text("Hello")
        chat.model.release()
        assert retry.end().chunks[-1]["type"] == "finish"
    assert retry.run_id == lost.run_id
    assert len(chat.model.calls) == 1
    # It was received: the next one is a new response.
    with chat.regenerate() as again:
        again.wait_for_text("Hello")
    assert len(chat.model.calls) == 2


@pytest.mark.parametrize("is_hidden", [True, False])
@pytest.mark.parametrize("change", ["next", "edit", "before the response"])
def test_a_message_after_a_stop_replaces_the_run(
    chat: Chat, change: str, *, is_hidden: bool
) -> None:
    with ExitStack() as clients:
        stopped = clients.enter_context(chat.start())
        sent = {
            "next": [QUESTION, partial(stopped), user("Go on", id="u2")],
            "edit": [user("Hello again", id="u1")],
            "before the response": [QUESTION, user("Go on", id="u2")],
        }[change]
        if not is_hidden:  # else a proxy keeps the connection
            stopped.close()
        new = clients.enter_context(chat.post(*sent))
        new.wait_for_text("Hello")
        if is_hidden:
            assert stopped.end().chunks[-1]["type"] == "abort"
        chat.model.release()
        assert new.end().chunks[-1]["type"] == "finish"
    question = "Hello again" if change == "edit" else "Hello"
    rest = [] if change == "edit" else ["Hello", "Go on"]
    assert chat.stored_texts() == [question, *rest, "Hello"]


def test_a_run_without_readers_is_replaced_by_any_message(chat: Chat) -> None:
    chat.start().close()
    with chat.post(user("From another tab", id="x1")) as new:
        new.wait_for_text("Hello")
    assert chat.stored_texts()[:3] == ["Hello", "Hello", "From another tab"]


def test_a_run_that_is_read_is_not_replaced_by_another_tab(chat: Chat) -> None:
    with chat.start() as first, chat.post(user("From another tab", id="x1")) as stale:
        assert stale.end().status == 409
        # Two tabs read the same response: neither of them left it.
        with chat.resume() as second:
            second.wait_for_text("Hello")
            history = [QUESTION, partial(second), user("Go on", id="u2")]
            with chat.post(*history) as impatient:
                assert impatient.end().status == 409
            chat.model.release()
            assert second.end().message() == first.end().message()


def test_an_explicit_replace_wins(tmp_path: Path) -> None:
    with serve_chat(tmp_path, on_busy="replace") as chat, chat.start() as first:
        with chat.regenerate() as second:
            second.wait_for_text("Hello")
            assert first.end().chunks[-1]["type"] == "abort"
        assert second.run_id != first.run_id


@pytest.mark.parametrize("resume", [None, 3600])
def test_a_hang_up_ends_a_run_whose_client_does_not_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, resume: float | None
) -> None:
    monkeypatch.setattr(assembly, "HANG_UP_SECONDS", 0.1)
    models = {name: ScriptedModel(*text("Hello"), hold=True) for name in ("a", "b", "c", "d")}
    app = create_app(
        agent=lambda turn: Agent(models[turn.chat_id]),
        store=f"sqlite:///{tmp_path}/chats.db",
        settings=Settings(resume=resume),
    )

    def start(chat_id: str) -> StreamClient:
        body = {"id": chat_id, "messages": [QUESTION]}
        client = StreamClient("POST", f"{server.url}/api/chat", body)
        client.wait_for_text("Hello")
        return client

    def resume_stream(chat_id: str) -> StreamClient:
        return StreamClient("GET", f"{server.url}/api/chat/{chat_id}/stream")

    with LiveServer(app) as server:
        # A page with `resume: true` asks when it is loaded.
        assert resume_stream("a").end().status == 204
        start("a").close()
        # Another one asks during the run.
        during = start("b")
        with resume_stream("b") as second:
            second.wait_for_text("Hello")
            during.close()
        if resume is None:
            # The others' time would have been over by now.
            start("c").close()
            assert models["c"].closed.wait(DEADLINE)
        else:
            start("c").close()
            start("d").close()
        assert not models["a"].closed.is_set()
        assert not models["b"].closed.is_set()
        with resume_stream("a") as again:
            again.wait_for_text("Hello")
        for model in models.values():
            model.release()


async def test_a_run_that_was_left_and_cannot_be_stopped_keeps_its_chat_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its process may be unreachable: the request does not wait for ever."""
    monkeypatch.setattr(busy_chats, "BUSY_SECONDS", 0.0)
    state: Any = {"has_ended": False, "is_acknowledged": False, "readers": 0}
    run = RunState("run", "another request", "active", **state)
    coordinator = mock.AsyncMock()
    coordinator.get.return_value = run
    coordinator.wait_until_free.return_value = False
    chats = BusyChats(coordinator, "refuse")
    async with asyncio.timeout(DEADLINE):
        with pytest.raises(ChatConflict):
            await chats.join_or_wait(ChatKey(None, "c"), "this request", MessageIds())
    coordinator.stop.assert_awaited_once()
