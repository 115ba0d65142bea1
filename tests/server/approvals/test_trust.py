"""What is believed of a message that a page continues."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.messages import ToolPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent
from usechat_server.errors import ChatError
from usechat_server.tools import Tool
from usechat_server.trust import check_client_outputs, merge_client_message
from usechat_server.turn import Turn

from tests.harness.approval_client import LOCATE, PlanModel, approval_tools
from tests.harness.live import user
from tests.server.approvals.conftest import Desk

JSON = dict[str, Any]

AGENT = Agent(PlanModel(), tools=approval_tools([]))


def call(name: str, state: str = "output-available", **fields: Any) -> JSON:
    """A tool part."""
    done = {"output": "here"} if state == "output-available" else {}
    return {
        "type": f"tool-{name}",
        "toolCallId": f"call-{name}",
        "state": state,
        "input": {},
        **done,
        **fields,
    }


def message(*parts: JSON) -> UIMessage:
    return UIMessage.from_object(
        {"id": "a1", "role": "assistant", "parts": [{"type": "step-start"}, *parts]}
    )


def turn(continued: UIMessage, answered: frozenset[str] | None = None) -> Turn:
    asked = UIMessage.from_object(user("?"))
    return Turn(
        "ann", "c1", NEWEST_CLIENT_VERSION, [asked, continued], "a1", client_outputs=answered
    )


async def refusal(made: Turn, agent: Agent = AGENT) -> str | None:
    try:
        spec = agent.spec
        await check_client_outputs(
            made, spec.tools, spec.sources, has_step_tools=spec.on_step is not None
        )
    except ChatError as refused:
        return refused.text
    return None


MADE_UP = {
    **call("sing", "output-error", errorText="There is no tool sing."),
    "type": "dynamic-tool",
    "toolName": "sing",
}


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(call("locate"), id="an answer"),
        pytest.param(call("locate", "output-error", errorText="no"), id="a failure"),
        pytest.param(call("locate", "input-available"), id="an open call"),
        pytest.param(call("locate", "input-streaming"), id="half a call"),
        pytest.param(call("read"), id="what the server ran beside it"),
        pytest.param(call("read", preliminary=True), id="what a stopped tool said last"),
        pytest.param(call("send", "approval-requested", approval={"id": "p"}), id="a question"),
        pytest.param(call("wipe", "output-denied"), id="what was denied"),
        pytest.param(call("gone", "input-available"), id="an open call of a tool that is gone"),
        pytest.param(MADE_UP, id="a tool that the model made up"),
        pytest.param(call("web_search", providerExecuted=True), id="what the provider ran"),
        pytest.param({"type": "data-weather", "data": 1}, id="data"),
        pytest.param({"type": "hologram"}, id="a part of the future"),
    ],
)
async def test_what_a_page_sends_without_a_store_passes(part: JSON) -> None:
    assert await refusal(turn(message(part, call("locate", toolCallId="another")))) is None


@pytest.mark.parametrize(
    ("part", "told"),
    [
        (call("gone"), "no such tool"),
        (call("gone", "output-error", errorText="x"), "no such tool"),
        ({**call("x"), "type": "dynamic-tool", "toolName": "sing"}, "no such tool"),
        (call("locate", providerExecuted=True), "provider does not run"),
        (call("send", "input-available", providerExecuted=True), "provider does not run"),
    ],
)
async def test_what_no_page_sends_is_refused(part: JSON, told: str) -> None:
    text = await refusal(turn(message(part)))
    assert text is not None
    assert told in text
    assert len(text) < 200
    # Where the message went on after it, it is history, and tools come and go.
    assert await refusal(turn(message(part, {"type": "step-start"}))) is None


class Found:
    """A source of tools, such as an MCP server. After `gone` it has none."""

    asks = False
    gone = False

    async def tools(self, turn: Turn) -> Sequence[Tool]:
        return [] if self.gone else [replace(LOCATE, name="found", dynamic=True)]

    async def aclose(self) -> None:
        pass


async def test_tools_that_are_found_at_run_time_are_known() -> None:
    found = {**call("x"), "type": "dynamic-tool", "toolName": "found"}
    source = Found()
    agent = Agent(PlanModel(), tools=[source, LOCATE])
    assert await refusal(turn(message(found, call("locate"))), agent) is None
    assert await refusal(turn(message(call("gone"))), agent)
    # A server that went away meanwhile does not keep the page from its own answer.
    source.gone = True
    assert await refusal(turn(message(found, call("locate"))), agent) is None
    assert await refusal(turn(message(found, call("gone"))), agent)


async def test_with_a_store_a_page_answers_its_own_tools_only() -> None:
    stored = message(call("locate", "input-available"), call("read", "input-available"))
    for name, allowed in (("locate", True), ("read", False)):
        merged, answered = merge_client_message(stored, message(call(name)))
        assert answered == {f"call-{name}"}
        text = await refusal(turn(merged, answered))
        assert (text is None) == allowed
    merged, answered = merge_client_message(
        message(call("gone", "input-available")), message(call("gone"))
    )
    assert await refusal(turn(merged, answered))


def test_the_first_answer_stays() -> None:
    stored, answered = merge_client_message(
        message(call("locate", "input-available")), message(call("locate"))
    )
    again, none = merge_client_message(stored, message(call("locate", output="there")))
    assert answered == {"call-locate"}
    assert (again, none) == (stored, frozenset())


ASKED = call("send", "approval-requested", approval={"id": "p1"})
ALLOWED = call("send", "approval-responded", approval={"id": "p1", "approved": True})


@pytest.mark.parametrize(
    ("stored", "sent", "status"),
    [
        pytest.param(ASKED, call("send"), 400, id="an output for an approval"),
        pytest.param(ALLOWED, call("send"), 400, id="an output for an answered approval"),
        pytest.param(
            ASKED, {**ALLOWED, "approval": {"id": "p2", "approved": True}}, 403, id="another's"
        ),
        pytest.param(call("send"), ALLOWED, 409, id="an approval of what ran"),
        pytest.param(call("send", "input-available"), ALLOWED, 409, id="nobody asked"),
        pytest.param(call("send", "output-denied"), ALLOWED, 409, id="an approval of a denial"),
        pytest.param(call("read"), call("locate"), 409, id="no such call"),
    ],
)
def test_an_answer_to_what_is_not_open_is_refused(stored: JSON, sent: JSON, status: int) -> None:
    with pytest.raises(ChatError) as raised:
        merge_client_message(message(stored), message(sent))
    assert raised.value.status == status
    assert 20 < len(raised.value.text) < 200


STATES = [
    *("input-streaming", "input-available", "approval-requested", "approval-responded"),
    *("output-available", "output-error", "output-denied"),
]
ANY = st.sampled_from([None, True, "x", {"a": 1}])
APPROVALS = st.fixed_dictionaries(
    {"id": st.sampled_from(["p1", "p2"])}, optional={"approved": st.booleans()}
)
CALLS: st.SearchStrategy[JSON] = st.fixed_dictionaries(
    {
        "type": st.sampled_from(["tool-send", "tool-read"]),
        "toolCallId": st.sampled_from(["t1", "t2", "t3"]),
        "state": st.sampled_from(STATES),
        "input": ANY,
    },
    optional={
        "output": ANY,
        "errorText": st.just("no"),
        "approval": APPROVALS,
        "providerExecuted": st.booleans(),
        "title": st.just("t"),
    },
)
MESSAGES = st.lists(CALLS, max_size=3, unique_by=lambda part: str(part["toolCallId"]))


@given(MESSAGES, MESSAGES)
def test_nothing_but_answers_is_taken_into_the_store(kept: list[JSON], sent: list[JSON]) -> None:
    stored = message(*kept, {"type": "data-x", "data": 1})
    before = copy.deepcopy(stored)
    try:
        merged, answered = merge_client_message(
            stored, message(*sent, {"type": "text", "text": "Obey."})
        )
    except ChatError:
        assert stored == before
        return
    assert stored == before
    outputs = {
        part.tool_call_id
        for part, was in zip(merged.parts, stored.parts, strict=True)
        if isinstance(part, ToolPart) and part != was and part.state.startswith("output-")
    }
    assert answered == outputs
    assert len(merged.parts) == len(stored.parts)
    for was, now in zip(stored.parts, merged.parts, strict=True):
        if was == now:
            continue
        assert isinstance(was, ToolPart)
        assert isinstance(now, ToolPart)
        changed = {
            name for name in was.__struct_fields__ if getattr(was, name) != getattr(now, name)
        }
        if was.state == "input-available":
            assert was.tool_call_id in answered
            assert not was.provider_executed
            assert changed <= {"state", "output", "error_text"}
        else:
            assert (was.state, now.state) == ("approval-requested", "approval-responded")
            # (An answer that says nothing is refused later, with the other answers.)
            assert changed - {"approval"} == {"state"}
            assert was.approval
            assert now.approval
            refuse_takeover = msgspec.structs.replace(now.approval, approved=None, reason=None)
            assert refuse_takeover == msgspec.structs.replace(
                was.approval, approved=None, reason=None
            )


def test_a_page_without_a_store_can_say_what_a_server_tool_said(asking: Desk) -> None:
    """What docs/trust.md says of it: nobody can tell. Nothing runs by it."""
    page = asking.open_page()
    page.send(("read", {"path": "/a"}), (LOCATE.name, {}))
    page.add_output("read", "what the page likes")
    page.add_output(LOCATE.name, "here")
    page.send_continuation()
    assert "what the page likes" in repr(asking.model.calls[-1].messages)
    assert asking.ran == []


def test_with_a_store_it_cannot(served_with_store: Desk) -> None:
    page = served_with_store.open_page()
    page.send(("read", {"path": "/a"}), (LOCATE.name, {}))
    page.add_output("read", "what the page likes")
    page.add_output(LOCATE.name, "here")
    page.send_continuation()
    seen = repr(served_with_store.model.calls[-1].messages)
    assert "what the page likes" not in seen
    assert "content of /a" in seen
    assert "'here'" in seen
