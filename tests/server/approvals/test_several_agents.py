"""Approvals where plain code streams several agents: one answer of a person is for one of them."""

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


class Speechless(PlanModel):
    """Calls tools, and then has nothing to say about them."""

    def stream(self, call: ModelCall) -> Any:
        if call.messages[-1].role == "assistant":
            raise ModelError("529", "overloaded")
        return super().stream(call)


@pytest.mark.parametrize("approved", [True, False])
@pytest.mark.parametrize("how", ["at once", "one after the other", "instead"])
def test_one_answer_runs_one_call_once(how: str, approved: bool) -> None:
    ran: list[Any] = []
    tools = approval_tools(ran)
    first = Agent(Speechless() if how == "instead" else PlanModel(), tools=tools)
    # It has the tools too, or none of them.
    others = [Agent(PlanModel(), tools=tools), Agent(PlanModel())]

    async def answer(turn: Turn, writer: StreamWriter) -> None:
        if turn.continued is None:
            await writer.merge(first.stream(turn))
        elif how == "at once":
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
    with LiveServer(create_app(answer, settings=settings)) as server:
        page = ChatClient(server)
        page.send(ANN)
        page.decide("send", approved)
        page.send_continuation()
    assert ran == ([SENT] if approved else [])
    assert page.tool_part("send")["state"] == ("output-available" if approved else "output-denied")
    assert page.messages[-1]["parts"][-1]["text"] == "Done."
