"""Which parts of a continued message the server accepts from the client."""

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
from tests.harness.common import JSON
from tests.harness.live import user
from tests.server.approvals.support import ApprovalApp

AGENT = Agent(PlanModel(), tools=approval_tools([]))


def call(name: str, state: str = "output-available", **fields: Any) -> JSON:
    """Return a tool part."""
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


def turn(continued: UIMessage, client_outputs: frozenset[str] | None = None) -> Turn:
    question = UIMessage.from_object(user("?"))
    return Turn(
        "ann",
        "c1",
        NEWEST_CLIENT_VERSION,
        [question, continued],
        "a1",
        client_outputs=client_outputs,
    )


async def rejection(checked_turn: Turn, agent: Agent = AGENT) -> str | None:
    try:
        spec = agent.spec
        await check_client_outputs(
            checked_turn, spec.tools, spec.sources, has_step_tools=spec.on_step is not None
        )
    except ChatError as error:
        return error.text
    return None


INVENTED_TOOL = {
    **call("sing", "output-error", errorText="There is no tool sing."),
    "type": "dynamic-tool",
    "toolName": "sing",
}


@pytest.mark.parametrize(
    "part",
    [
        pytest.param(call("locate"), id="an output"),
        pytest.param(call("locate", "output-error", errorText="no"), id="an error"),
        pytest.param(call("locate", "input-available"), id="an open call"),
        pytest.param(call("locate", "input-streaming"), id="an incomplete call"),
        pytest.param(call("read"), id="an output of the server"),
        pytest.param(call("read", preliminary=True), id="a preliminary output"),
        pytest.param(
            call("send", "approval-requested", approval={"id": "p"}), id="an approval request"
        ),
        pytest.param(call("wipe", "output-denied"), id="a denial"),
        pytest.param(call("gone", "input-available"), id="an open call of an unknown tool"),
        pytest.param(INVENTED_TOOL, id="a tool that the model invented"),
        pytest.param(call("web_search", providerExecuted=True), id="an output of the provider"),
        pytest.param({"type": "data-weather", "data": 1}, id="data"),
        pytest.param({"type": "hologram"}, id="an unknown part"),
    ],
)
async def test_parts_that_clients_send_without_a_store_are_accepted(part: JSON) -> None:
    assert await rejection(turn(message(part, call("locate", toolCallId="another")))) is None


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (call("gone"), "no such tool"),
        (call("gone", "output-error", errorText="x"), "no such tool"),
        ({**call("x"), "type": "dynamic-tool", "toolName": "sing"}, "no such tool"),
        (call("locate", providerExecuted=True), "provider does not run"),
        (call("send", "input-available", providerExecuted=True), "provider does not run"),
    ],
)
async def test_parts_that_no_client_sends_are_rejected(part: JSON, expected: str) -> None:
    text = await rejection(turn(message(part)))
    assert text is not None
    assert expected in text
    assert len(text) < 200
    # In an earlier step it is history, and the agent's tools may have changed since.
    assert await rejection(turn(message(part, {"type": "step-start"}))) is None


class RuntimeSource:
    """A source of tools, such as an MCP server. It has none while `is_gone`."""

    may_require_approval = False
    is_gone = False

    async def tools(self, turn: Turn) -> Sequence[Tool]:
        return [] if self.is_gone else [replace(LOCATE, name="found", dynamic=True)]

    async def aclose(self) -> None:
        pass


async def test_tools_of_sources_are_known() -> None:
    part_of_source = {**call("x"), "type": "dynamic-tool", "toolName": "found"}
    source = RuntimeSource()
    agent = Agent(PlanModel(), tools=[source, LOCATE])
    assert await rejection(turn(message(part_of_source, call("locate"))), agent) is None
    assert await rejection(turn(message(call("gone"))), agent)
    # An MCP server that is gone by now does not keep the client from its own outputs.
    source.is_gone = True
    assert await rejection(turn(message(part_of_source, call("locate"))), agent) is None
    assert await rejection(turn(message(part_of_source, call("gone"))), agent)


async def test_with_a_store_a_client_resolves_only_client_tools() -> None:
    stored = message(call("locate", "input-available"), call("read", "input-available"))
    for name, allowed in (("locate", True), ("read", False)):
        merged, client_outputs = merge_client_message(stored, message(call(name)))
        assert client_outputs == {f"call-{name}"}
        text = await rejection(turn(merged, client_outputs))
        assert (text is None) == allowed
    merged, client_outputs = merge_client_message(
        message(call("gone", "input-available")), message(call("gone"))
    )
    assert await rejection(turn(merged, client_outputs))


def test_the_first_output_stays() -> None:
    stored, client_outputs = merge_client_message(
        message(call("locate", "input-available")), message(call("locate"))
    )
    unchanged, none = merge_client_message(stored, message(call("locate", output="there")))
    assert client_outputs == {"call-locate"}
    assert (unchanged, none) == (stored, frozenset())


REQUESTED = call("send", "approval-requested", approval={"id": "p1"})
APPROVED = call("send", "approval-responded", approval={"id": "p1", "approved": True})


@pytest.mark.parametrize(
    ("stored", "sent", "status"),
    [
        pytest.param(REQUESTED, call("send"), 400, id="an output for a request"),
        pytest.param(APPROVED, call("send"), 400, id="an output for an approval"),
        pytest.param(
            REQUESTED,
            {**APPROVED, "approval": {"id": "p2", "approved": True}},
            403,
            id="another call's approval",
        ),
        pytest.param(call("send"), APPROVED, 409, id="an approval of an executed call"),
        pytest.param(call("send", "input-available"), APPROVED, 409, id="not requested"),
        pytest.param(
            call("send", "output-denied"), APPROVED, 409, id="an approval of a denied call"
        ),
        pytest.param(call("read"), call("locate"), 409, id="no such call"),
    ],
)
def test_an_update_of_a_call_that_is_not_open_is_rejected(
    stored: JSON, sent: JSON, status: int
) -> None:
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
def test_only_outputs_and_decisions_are_merged_into_the_stored_message(
    stored_parts: list[JSON], sent: list[JSON]
) -> None:
    stored = message(*stored_parts, {"type": "data-x", "data": 1})
    before = copy.deepcopy(stored)
    try:
        merged, client_outputs = merge_client_message(
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
    assert client_outputs == outputs
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
            assert was.tool_call_id in client_outputs
            assert not was.provider_executed
            assert changed <= {"state", "output", "error_text"}
        else:
            assert (was.state, now.state) == ("approval-requested", "approval-responded")
            # (A decision without a value is rejected later.)
            assert changed - {"approval"} == {"state"}
            assert was.approval
            assert now.approval
            approval = msgspec.structs.replace(now.approval, approved=None, reason=None)
            assert approval == msgspec.structs.replace(was.approval, approved=None, reason=None)


def test_without_a_store_a_client_can_change_a_server_tools_output(
    app_without_store: ApprovalApp,
) -> None:
    """See docs/trust.md: the server cannot tell. Nothing runs because of it."""
    client = app_without_store.new_client()
    client.send(("read", {"path": "/a"}), (LOCATE.name, {}))
    client.add_output("read", "forged content")
    client.add_output(LOCATE.name, "here")
    client.send_continuation()
    assert "forged content" in repr(app_without_store.model.calls[-1].messages)
    assert app_without_store.executed == []


def test_with_a_store_a_client_cannot_change_a_server_tools_output(
    app_with_store: ApprovalApp,
) -> None:
    client = app_with_store.new_client()
    client.send(("read", {"path": "/a"}), (LOCATE.name, {}))
    client.add_output("read", "forged content")
    client.add_output(LOCATE.name, "here")
    client.send_continuation()
    history = repr(app_with_store.model.calls[-1].messages)
    assert "forged content" not in history
    assert "content of /a" in history
    assert "'here'" in history
