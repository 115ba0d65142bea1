"""Approvals with the published clients, which continue by themselves with one request."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ui_message_stream.versions import ClientVersion
from usechat_server.settings import Settings

from tests.clients.conversation import RELEASES
from tests.harness.node import CLIENTS, NodeProcess
from tests.server.approvals.support import ApprovalApp, serve_app

ANN = ("send", {"to": "Ann", "amount": 2})
SENT = ("send", {"to": "Ann", "amount": 2, "note": ""})


@pytest.fixture(scope="module")
def served_old_clients() -> Iterator[ApprovalApp]:
    yield from serve_app(
        approvals="client-tool", settings=Settings(client_version=ClientVersion.parse("5.0.0"))
    )


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with NodeProcess(CLIENTS / "driver" / "main.mjs") as process:
        yield process


@pytest.mark.parametrize("release", [one for one in RELEASES if one.startswith("5.")])
@pytest.mark.parametrize("approved", [True, False])
def test_an_ai_sdk_5_client_continues_by_itself(
    served_old_clients: ApprovalApp, node: NodeProcess, release: str, approved: bool
) -> None:
    served_old_clients.executed.clear()
    transcript: Any = node.call(
        "chat",
        url=f"{served_old_clients.server.url}/api/chat",
        release=release,
        headers={"x-usechat-client": release},
        chatId=f"{release} {approved}",
        actions=[
            {"send": {"text": json.dumps([ANN])}},
            {"addOutput": {"tool": "send", "output": {"approved": approved}}},
        ],
    )
    assert transcript["status"] == "ready", transcript["error"]
    assert len(transcript["requests"]) == 2
    assert served_old_clients.executed == ([SENT] if approved else [])
    [part] = [p for p in transcript["messages"][-1]["parts"] if p["type"] == "tool-send"]
    assert part["state"] == ("output-available" if approved else "output-error")
    assert transcript["messages"][-1]["parts"][-1]["text"] == "Done."
