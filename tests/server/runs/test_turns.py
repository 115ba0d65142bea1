"""One active turn a chat: the same request is answered once, another one waits its turn."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from usechat_server import Agent, ClientTool, Settings, create_app

from tests.harness.common import DEADLINE, user_from_header
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient

LOCATE = ClientTool("locate", "Where the person is.", {"type": "object"})


@contextmanager
def serving(model: ScriptedModel, **settings: Any) -> Iterator[LiveServer]:
    agent = Agent(model, tools=[LOCATE])
    with LiveServer(
        create_app(agent, user=user_from_header, anonymous=True, settings=Settings(**settings))
    ) as server:
        yield server
        model.release()


def ask(server: LiveServer, said: str = "Hello", **fields: Any) -> StreamClient:
    body = {"id": "a/b", "messages": [user(said, id=f"u-{said}")], **fields}
    return StreamClient("POST", f"{server.url}/api/chat", body)


def test_a_double_click_is_answered_once() -> None:
    model = ScriptedModel(*text("Hel", "lo"), hold=True)
    with serving(model) as server, ExitStack() as clients:
        first = clients.enter_context(ask(server))
        first.wait_for_text("Hello")
        second = clients.enter_context(ask(server))
        second.wait_for_text("Hello")
        model.release()
        assert first.end().message() == second.end().message()
        assert first.done
        assert second.done
        assert first.run_id == second.run_id != ""
        assert len(model.calls) == 1


def test_two_tabs_that_answer_one_call_are_answered_once() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    call = {"type": "tool-locate", "toolCallId": "t", "input": {}, "state": "output-available"}
    answered: dict[str, Any] = {
        "id": "m1",
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {"type": "text", "text": "Where?"},
            {"type": "step-start"},
            {**call, "output": "Paris"},
        ],
    }
    # The other tab loaded the message, so that its text says that it is done.
    loaded = {**answered, "parts": [dict(part) for part in answered["parts"]]}
    loaded["parts"][1]["state"] = "done"
    with serving(model) as server, ExitStack() as clients:
        first = clients.enter_context(ask(server, messages=[user("?"), answered]))
        first.wait_for_text("Hello")
        second = clients.enter_context(ask(server, messages=[user("?"), loaded]))
        second.wait_for_text("Hello")
        # It goes on with what the tab has: nothing of the message so far is said again.
        assert [chunk["type"] for chunk in second.chunks[:2]] == ["start", "start-step"]
        assert second.chunks[0]["messageId"] == "m1"
        model.release()
        assert first.end().chunks[-1] == second.end().chunks[-1]
        assert len(model.calls) == 1


def test_another_message_is_refused_until_the_answer_is_there() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model) as server, ask(server) as first:
        first.wait_for_text("Hello")
        with ask(server, "Another one") as second:
            assert second.end().status == 409
            assert second.text.startswith("This chat is still answering.")
        # Other chats, and chats of other people with the same id, are not concerned.
        with ask(server, "Another one", id="c2") as elsewhere:
            elsewhere.wait_for_text("Hello")
            model.release()
        assert first.end().done
        with ask(server, "Another one") as third:
            third.wait_for_text("Hello")
            model.release()
            assert third.end().done


def test_another_message_can_replace_the_answer() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model, on_busy="replace") as server, ask(server) as first:
        first.wait_for_text("Hello")
        with ask(server, "Another one") as second:
            assert first.end().chunks[-1]["type"] == "abort"
            assert first.message().parts[-1].to_object()["state"] == "done"
            assert model.closed.wait(DEADLINE)
            second.wait_for_text("Hello")
            model.release()
            assert second.end().chunks[-1]["type"] == "finish"
        assert len(model.calls) == 2


def test_a_page_that_hangs_up_and_asks_again_at_once_is_not_refused() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model) as server:
        for number in range(5):
            with ask(server, f"Question {number}") as client:
                client.wait_for_text("Hello")


@pytest.mark.parametrize("trigger", ["submit-message", "regenerate-message"])
def test_a_request_whose_answer_was_lost_gets_it_without_a_second_call(trigger: str) -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model, resume=60) as server:
        with ask(server, trigger=trigger) as lost:
            lost.wait_for_text("Hello")
        model.release()
        with ask(server, trigger=trigger) as again:
            assert again.end().chunks[-1]["type"] == "finish"
            assert again.run_id == lost.run_id
        assert len(model.calls) == 1
        # That was delivered: who asks now wants another answer.
        with ask(server, trigger=trigger) as new:
            new.wait_for_text("Hello")
            assert len(model.calls) == 2
            model.release()
            assert new.end().run_id != lost.run_id
        with ask(server, trigger=trigger) as newer:
            newer.wait_for_text("Hello")
            assert len(model.calls) == 3


def test_an_answer_that_was_stopped_is_not_given_again() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serving(model, resume=60) as server:
        with ask(server) as stopped:
            stopped.wait_for_text("Hello")
        assert server.request("POST", "/api/chat/a%2Fb/stop").status_code == 204
        with ask(server) as again:
            again.wait_for_text("Hello")
            assert again.run_id != stopped.run_id
        assert len(model.calls) == 2
