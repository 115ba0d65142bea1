"""Approvals in a handler that streams several agents: a decision is for one of them."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from pydantic import SecretStr
from ui_message_stream.versions import ClientVersion
from usechat_server import Agent, StreamWriter, Turn, create_app
from usechat_server.errors import ModelError
from usechat_server.providers.base import ModelCall
from usechat_server.settings import Settings

from tests.harness.approval_client import ChatClient, PlanModel, approval_tools
from tests.harness.live import LiveServer

ANN = ("send", {"to": "Ann", "amount": 2.5})
SENT = ("send", {"to": "Ann", "amount": 2.5, "note": ""})


class FailingAfterTools(PlanModel):
    """Calls tools, and fails once they have run."""

    def stream(self, call: ModelCall) -> Any:
        if call.messages[-1].role == "assistant":
            raise ModelError("529", "overloaded")
        return super().stream(call)


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("order", ["at once", "one after the other", "instead"])
def test_one_decision_runs_one_call_once(order: str, approved: bool) -> None:
    executed: list[Any] = []
    tools = approval_tools(executed)
    first = Agent(FailingAfterTools() if order == "instead" else PlanModel(), tools=tools)
    # One has the same tools, one has none.
    others = [Agent(PlanModel(), tools=tools), Agent(PlanModel())]

    async def handler(turn: Turn, writer: StreamWriter) -> None:
        if turn.continued is None:
            await writer.merge(first.stream(turn))
        elif order == "at once":
            both = [writer.merge(one.stream(turn)) for one in (*reversed(others), first)]
            await asyncio.gather(*both)
        else:
            try:
                await writer.merge(first.stream(turn))
            except ModelError:
                writer.text("Once more.")
            for other in others:
                await writer.merge(other.stream(turn))

    settings = Settings(secret=SecretStr("x" * 40), client_version=ClientVersion(7))
    with LiveServer(create_app(handler=handler, settings=settings)) as server:
        client = ChatClient(server)
        client.send(ANN)
        client.decide("send", approved)
        client.send_continuation()
    assert executed == ([SENT] if approved else [])
    assert client.tool_part("send")["state"] == (
        "output-available" if approved else "output-denied"
    )
    assert client.messages[-1]["parts"][-1]["text"] == "Done."
