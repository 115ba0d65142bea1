"""What outsiders do is one line of the audit log."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request
from ui_message_stream.chunks import Chunk, ToolInputAvailable
from usechat_server import Agent, ChatError, create_app
from usechat_server.tools import tool

from tests.harness.live import LiveServer, ScriptedModel, chunks, user
from tests.server.live_apps import response_for


class Audit(logging.Handler):
    """Collects the records of the audit log."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.fields: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())
        self.fields.append(record.audit)  # type: ignore[attr-defined]


@pytest.fixture
def audit_log() -> Iterator[Audit]:
    handler, logger = Audit(), logging.getLogger("usechat.audit")
    logger.addHandler(handler)
    logger.setLevel("INFO")
    yield handler
    logger.removeHandler(handler)
    logger.setLevel("NOTSET")


@pytest.mark.parametrize(
    ("raised", "status"),
    [
        (PermissionError("no\nsuch token"), 403),
        (ChatError("Pay first.", 402), 402),
        (HTTPException(403), 403),
        (None, 401),
    ],
)
def test_a_refused_sign_in_is_one_line_of_the_audit_log(
    audit_log: Audit, caplog: pytest.LogCaptureFixture, raised: Exception | None, status: int
) -> None:
    def refuse(request: Request) -> str | None:
        if raised is not None:
            raise raised
        return None

    assert response_for(refuse).status_code == status
    line, fields = audit_log.lines[0], audit_log.fields[0]
    assert line.startswith("sign-in refused {")
    assert "\n" not in line
    assert (fields["client"], fields["method"], fields["path"], fields["status"]) == (
        "127.0.0.1",
        "POST",
        "/api/chat",
        status,
    )
    assert not [record for record in caplog.records if record.exc_info]


def test_renames_and_deletes_are_in_the_audit_log(audit_log: Audit, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"
    with LiveServer(create_app(Agent(ScriptedModel()), store=store)) as server:
        server.chat()
        for _ in range(2):
            server.request("PATCH", "/api/chat/c1", {"title": "New"})
            server.request("DELETE", "/api/chat/c1")
    assert [(fields["event"], fields["chat"]) for fields in audit_log.fields] == [
        ("chat renamed", "c1"),
        ("chat deleted", "c1"),
    ]


def test_decisions_about_tool_calls_are_in_the_audit_log(audit_log: Audit) -> None:
    async def delete(path: str) -> str:
        return path

    batches: list[list[Chunk]] = [
        [ToolInputAvailable(tool_call_id=f"t{n}", tool_name="delete", input={"path": "/"})]
        for n in range(2)
    ]
    agent = Agent(ScriptedModel(*batches), tools=[tool(delete, needs_approval=True)])
    with LiveServer(create_app(agent, user=lambda request: "ann")) as server:
        headers = {"x-usechat-client": "ai/7.0.173"}
        question = user("Hello")
        streamed = chunks(server.chat(question, headers=headers).text)
        requests = [chunk for chunk in streamed if chunk["type"] == "tool-approval-request"]
        parts = [
            {
                "type": "tool-delete",
                "toolCallId": request["toolCallId"],
                "state": "approval-responded",
                "input": {"path": "/"},
                "approval": {"id": request["approvalId"], "approved": approved, "reason": "so"},
            }
            for request, approved in zip(requests, (True, False), strict=True)
        ]
        message = {
            "id": streamed[0]["messageId"],
            "role": "assistant",
            "parts": [{"type": "step-start"}, *parts],
        }
        assert server.chat(question, message, headers=headers).status_code == 200
    logged = [
        (fields["event"], fields["user"], fields["tool"], fields["toolCallId"], fields["reason"])
        for fields in audit_log.fields
    ]
    assert logged == [
        ("approval given", "ann", "delete", "t0", "so"),
        ("approval denied", "ann", "delete", "t1", "so"),
    ]
