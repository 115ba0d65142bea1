"""Approvals with the published clients, whose pages continue by themselves: no request too many."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from ui_message_stream.versions import ClientVersion
from usechat_server.settings import Settings

from tests.clients.conversation import RELEASES
from tests.harness.node import CLIENTS, NodeProcess
from tests.server.approvals.conftest import Desk, desk

ANN = ("send", {"to": "Ann", "amount": 2})
SENT = ("send", {"to": "Ann", "amount": 2, "note": ""})


@pytest.fixture(scope="module")
def served() -> Iterator[Desk]:
    yield from desk(
        approvals="client-tool", settings=Settings(client_version=ClientVersion.parse("5.0.0"))
    )


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with NodeProcess(CLIENTS / "driver" / "main.mjs") as process:
        yield process


@pytest.mark.parametrize("release", [one for one in RELEASES if one.startswith("5.")])
@pytest.mark.parametrize("approved", [True, False])
def test_a_page_of_ai_sdk_5(served: Desk, node: NodeProcess, release: str, approved: bool) -> None:
    served.ran.clear()
    transcript: Any = node.call(
        "chat",
        url=f"{served.server.url}/api/chat",
        release=release,
        headers={"x-usechat-client": release},
        chatId=f"{release} {approved}",
        actions=[
            {"send": {"text": json.dumps([ANN])}},
            {"answer": {"tool": "send", "output": {"approved": approved}}},
        ],
    )
    assert transcript["status"] == "ready", transcript["error"]
    assert len(transcript["requests"]) == 2
    assert served.ran == ([SENT] if approved else [])
    [part] = [p for p in transcript["messages"][-1]["parts"] if p["type"] == "tool-send"]
    assert part["state"] == ("output-available" if approved else "output-error")
    assert transcript["messages"][-1]["parts"][-1]["text"] == "Done."
