"""One active run per chat: the same request joins it, another one is rejected or replaces it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from usechat_server import Agent, ClientTool, Settings, create_app

from tests.harness.common import DEADLINE, user_from_header
from tests.harness.live import LiveServer, ScriptedModel, text, user
from tests.harness.stream_client import StreamClient

LOCATE = ClientTool("locate", "Where the user is.", {"type": "object"})


@contextmanager
def serve_app(model: ScriptedModel, **settings: Any) -> Iterator[LiveServer]:
    agent = Agent(model, tools=[LOCATE])
    with LiveServer(
        create_app(agent, user=user_from_header, anonymous=True, settings=Settings(**settings))
    ) as server:
        yield server
        model.release()


def post(server: LiveServer, text_sent: str = "Hello", **fields: Any) -> StreamClient:
    body = {"id": "a/b", "messages": [user(text_sent, id=f"u-{text_sent}")], **fields}
    return StreamClient("POST", f"{server.url}/api/chat", body)


def test_a_repeated_request_joins_the_run() -> None:
    model = ScriptedModel(*text("Hel", "lo"), hold=True)
    with serve_app(model) as server, ExitStack() as clients:
        first = clients.enter_context(post(server))
        first.wait_for_text("Hello")
        second = clients.enter_context(post(server))
        second.wait_for_text("Hello")
        model.release()
        assert first.end().message() == second.end().message()
        assert first.done
        assert second.done
        assert first.run_id == second.run_id != ""
        assert len(model.calls) == 1


def test_two_tabs_that_resolve_one_call_share_a_run() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    call = {"type": "tool-locate", "toolCallId": "t", "input": {}, "state": "output-available"}
    sent_message: dict[str, Any] = {
        "id": "m1",
        "role": "assistant",
        "parts": [
            {"type": "step-start"},
            {"type": "text", "text": "Where?"},
            {"type": "step-start"},
            {**call, "output": "Paris"},
        ],
    }
    # The other tab loaded the message, so its text part is done.
    loaded_message = {**sent_message, "parts": [dict(part) for part in sent_message["parts"]]}
    loaded_message["parts"][1]["state"] = "done"
    with serve_app(model) as server, ExitStack() as clients:
        first = clients.enter_context(post(server, messages=[user("?"), sent_message]))
        first.wait_for_text("Hello")
        second = clients.enter_context(post(server, messages=[user("?"), loaded_message]))
        second.wait_for_text("Hello")
        # The run continues what the tab has: the message so far is not sent again.
        assert [chunk["type"] for chunk in second.chunks[:2]] == ["start", "start-step"]
        assert second.chunks[0]["messageId"] == "m1"
        model.release()
        assert first.end().chunks[-1] == second.end().chunks[-1]
        assert len(model.calls) == 1


def test_another_message_is_rejected_until_the_run_has_ended() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model) as server, post(server) as first:
        first.wait_for_text("Hello")
        with post(server, "Another one") as second:
            assert second.end().status == 409
            assert second.text.startswith("This chat is still responding.")
        # Other chats are not affected.
        with post(server, "Another one", id="c2") as other_chat:
            other_chat.wait_for_text("Hello")
            model.release()
        assert first.end().done
        with post(server, "Another one") as third:
            third.wait_for_text("Hello")
            model.release()
            assert third.end().done


def test_another_message_can_replace_the_run() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model, on_busy="replace") as server, post(server) as first:
        first.wait_for_text("Hello")
        with post(server, "Another one") as second:
            assert first.end().chunks[-1]["type"] == "abort"
            assert first.message().parts[-1].to_object()["state"] == "done"
            assert model.closed.wait(DEADLINE)
            second.wait_for_text("Hello")
            model.release()
            assert second.end().chunks[-1]["type"] == "finish"
        assert len(model.calls) == 2


def test_without_a_store_and_users_other_visitors_are_not_refused() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with LiveServer(create_app(Agent(model))) as server, ExitStack() as clients:
        # A page with a fixed chat id, and message ids that are counted.
        questions = ["Mine", "Yours", "Yours"]
        visitors = []
        for question in questions:
            body = {"id": "chat", "messages": [user(question)]}
            visitor = clients.enter_context(StreamClient("POST", f"{server.url}/api/chat", body))
            visitor.wait_for_text("Hello")
            visitors.append(visitor)
        # The same question after another one is not the same request.
        earlier = [user("Secret", id="u0"), user("Yours")]
        other = clients.enter_context(post(server, id="chat", messages=earlier))
        other.wait_for_text("Hello")
        assert [visitor.run_id for visitor in visitors].count(visitors[1].run_id) == 2
        assert other.run_id != visitors[1].run_id
        assert len(model.calls) == 3
        guard = {"runId": visitors[0].run_id}
        assert server.request("POST", "/api/chat/chat/stop", guard).status_code == 204
        assert visitors[0].end().chunks[-1]["type"] == "abort"
        model.release()
        assert visitors[1].end().chunks[-1]["type"] == "finish"


def test_a_client_that_disconnects_and_sends_a_message_at_once_is_accepted() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model) as server:
        for number in range(5):
            with post(server, f"Question {number}") as client:
                client.wait_for_text("Hello")


@pytest.mark.parametrize("trigger", ["submit-message", "regenerate-message"])
def test_a_retry_of_a_lost_response_gets_it_without_a_second_model_call(trigger: str) -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model, resume=60) as server:
        with post(server, trigger=trigger) as disconnected:
            disconnected.wait_for_text("Hello")
        model.release()
        with post(server, trigger=trigger) as retry:
            assert retry.end().chunks[-1]["type"] == "finish"
            assert retry.run_id == disconnected.run_id
        assert len(model.calls) == 1
        # That was delivered: the same request now starts a new run.
        with post(server, trigger=trigger) as regenerated:
            regenerated.wait_for_text("Hello")
            assert len(model.calls) == 2
            model.release()
            assert regenerated.end().run_id != disconnected.run_id
        with post(server, trigger=trigger) as regenerated_again:
            regenerated_again.wait_for_text("Hello")
            assert len(model.calls) == 3


def test_a_retry_of_a_stopped_run_starts_a_new_one() -> None:
    model = ScriptedModel(*text("Hello"), hold=True)
    with serve_app(model, resume=60) as server:
        with post(server) as stopped:
            stopped.wait_for_text("Hello")
        assert server.request("POST", "/api/chat/a%2Fb/stop").status_code == 204
        with post(server) as retry:
            retry.wait_for_text("Hello")
            assert retry.run_id != stopped.run_id
        assert len(model.calls) == 2
