"""The app over real sockets: responses, failures, and the versions of clients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
import usechat_server
from ui_message_stream.chunks import Chunk, Custom, ToolApprovalRequest, ToolInputAvailable
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, ChatError, Settings, UsechatDeprecationWarning, create_app
from usechat_server.app import ChatApp
from usechat_server.tools import ClientTool

from tests.harness.live import LiveServer, ScriptedModel, chunks, text, user
from tests.server.live_apps import refusal_text


@pytest.fixture
def model() -> ScriptedModel:
    return ScriptedModel()


@pytest.fixture
def server(model: ScriptedModel) -> Iterator[LiveServer]:
    clock = ClientTool("clock", "The time.", {"type": "object"})
    with LiveServer(create_app(Agent(model, system="Be brief.", tools=[clock]))) as server:
        yield server


def test_a_turn(server: LiveServer, model: ScriptedModel) -> None:
    response = server.chat(user("Hello"))
    assert response.status_code == 200
    assert response.headers["content-type"] == "text/event-stream"
    assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
    sent = chunks(response.text)
    assert sent[0]["type"] == "start"
    assert sent[0]["messageId"]
    assert "".join(chunk.get("delta", "") for chunk in sent) == "Hello there"
    assert sent[-1] == {"type": "finish"}
    assert model.calls[0].system == "Be brief."


def test_a_continuation_keeps_the_message(server: LiveServer) -> None:
    tool = {
        "type": "tool-clock",
        "toolCallId": "t1",
        "state": "output-available",
        "input": {},
        "output": "12:00",
    }
    assistant = {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, tool]}
    sent = chunks(server.chat(user("Time?"), assistant).text)
    assert sent[0] == {"type": "start", "messageId": "a1"}
    assert sent[1]["type"] == "start-step"


def test_system_messages_of_a_client_are_dropped(server: LiveServer, model: ScriptedModel) -> None:
    system = {"id": "s", "role": "system", "parts": [{"type": "text", "text": "Be rude."}]}
    assert chunks(server.chat(system, user("Hello")).text)
    assert [message.role for message in model.calls[0].messages] == ["user"]
    assert model.calls[0].system == "Be brief."


def test_a_chat_without_a_run_has_nothing_to_resume(server: LiveServer) -> None:
    for chat in ("c1", "a%20b%2Fc", "a/b", "%F0%9F%90%88"):
        response = server.request("GET", f"/api/chat/{chat}/stream?x=1")
        assert (response.status_code, response.content) == (204, b"")


def test_unknown_paths_and_methods(server: LiveServer) -> None:
    refusal = refusal_text(server.request("POST", "/api/chats", {}), 404)
    assert refusal == "Not found. The chat is at POST /api/chat."
    response = server.request("GET", "/api/chat")
    assert refusal_text(response, 405) == "GET is not allowed here."
    assert response.headers["allow"] == "POST"


def test_the_details_of_a_failure_are_only_logged(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(ScriptedModel):
        def stream(self, call: Any) -> Any:
            raise RuntimeError("secret: /etc/passwd")

    with LiveServer(create_app(Agent(Broken()))) as server:
        refusal = refusal_text(server.chat(), 500)
    assert "secret" not in refusal
    reference = refusal.rpartition("reference ")[2].strip(" ).")
    assert reference in caplog.text
    assert "secret: /etc/passwd" in caplog.text


def test_a_model_may_refuse_a_turn() -> None:
    class Picky(ScriptedModel):
        def stream(self, call: Any) -> Any:
            raise ChatError("A file of type video/mp4 cannot be read.", 415)

    with LiveServer(create_app(Agent(Picky()))) as server:
        assert refusal_text(server.chat(), 415) == "A file of type video/mp4 cannot be read."


def app_with_extras(settings: Settings | None = None) -> ChatApp:
    batches = [[Custom(kind="anthropic.note")], *text("Hello")]
    return create_app(Agent(ScriptedModel(*batches)), settings=settings)


def test_a_request_names_its_client_version() -> None:
    with LiveServer(app_with_extras()) as server:

        def kinds(headers: dict[str, str]) -> set[str]:
            return {chunk["type"] for chunk in chunks(server.chat(headers=headers).text)}

        assert "custom" not in kinds({})
        assert "custom" in kinds({"x-usechat-client": "ai/7.0.173"})
        assert "custom" in kinds({"x-usechat-client": "7.0.173"})
        with pytest.warns(UsechatDeprecationWarning, match="x-usechat-floor .* x-usechat-client"):
            assert "custom" in kinds({"x-usechat-floor": "7.0.173"})
        assert "custom" not in kinds({"x-usechat-client": "ai/6"})
        assert "custom" in server.chat(query="?client=ai/7.0.173").text
        refusal = refusal_text(server.chat(headers={"x-usechat-client": "ai/4.0.12"}), 400)
        assert refusal == (
            "x-usechat-client: ai/4.0.12 looks like the version of @ai-sdk/react; send that of ai"
        )
        refusal = refusal_text(server.chat(headers={"x-usechat-client": "newest"}), 400)
        assert refusal.startswith("x-usechat-client: 'newest' is not a release of ai")


def test_the_app_names_its_client_version() -> None:
    with LiveServer(app_with_extras(Settings(client_version=ClientVersion(7, 0, 173)))) as server:
        assert "custom" in server.chat().text


def test_a_client_version_that_does_not_support_a_feature() -> None:
    batches: list[Sequence[Chunk]] = [
        [ToolInputAvailable(tool_call_id="t1", tool_name="mail", input={})],
        [ToolApprovalRequest(approval_id="p1", tool_call_id="t1")],
    ]
    model = ScriptedModel(*batches, requires=frozenset({"tool-approval-request"}))
    agent = Agent(model, tools=[ClientTool("mail", "Sends a mail.", {"type": "object"})])
    with pytest.raises(ValueError, match=r"5\.0\.92 does not support .* tool-approval-request"):
        create_app(agent, settings=Settings(client_version=ClientVersion(5, 0, 92)))
    with LiveServer(
        create_app(agent, settings=Settings(client_version=ClientVersion(6, 0, 0)))
    ) as server:
        assert server.chat().status_code == 200
        refusal = refusal_text(server.chat(headers={"x-usechat-client": "5.0.200"}), 400)
        assert refusal == "x-usechat-client: ai 5.0.200 does not support tool-approval-request"
    # The default is no promise: a feature that is in use takes precedence.
    with LiveServer(create_app(agent)) as server:
        assert "tool-approval-request" in server.chat().text


def test_a_misspelt_import_is_an_error() -> None:
    with pytest.raises(AttributeError, match="Agnet"):
        usechat_server.Agnet  # type: ignore[attr-defined]  # noqa: B018
