"""Approvals with signed ids: for which call, user and chat they are valid, and how long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream.chunks import ToolInputAvailable
from ui_message_stream.messages import Approval, ToolPart, UIMessage
from ui_message_stream.versions import NEWEST_CLIENT_VERSION
from usechat_server import Agent, create_app
from usechat_server.approvals import MemoryNonces, SignedApprovals, check_secret
from usechat_server.errors import ChatError
from usechat_server.settings import Settings
from usechat_server.turn import Decision, Turn

from tests.harness.approval_client import PlanModel, approval_tools

SECRET = "a secret that two processes share, of 32 and more"
CALL = ToolInputAvailable(tool_call_id="t1", tool_name="send", input={"to": "Ann"})
TURN = Turn(
    user="ann", chat_id="c1", client_version=NEWEST_CLIENT_VERSION, messages=[], message_id="m1"
)
DAY = 24 * 60 * 60


class SharedNonces:
    """Nonces that several processes share."""

    scope = b""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    async def consume(self, nonce: str, seconds: float) -> bool:
        if nonce in self.used:
            return False
        self.used[nonce] = seconds
        return True


class Clock:
    """A clock that a test sets."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def turn_with_decision(
    approval_id: str, call: ToolInputAvailable = CALL, turn: Turn = TURN, approved: bool = True
) -> Turn:
    """Return the turn of a client that sends a decision."""
    part = ToolPart(
        tool_name=call.tool_name,
        tool_call_id=call.tool_call_id,
        state="approval-responded",
        input=call.input,
        approval=Approval(id=approval_id, approved=approved),
    )
    return replace(turn, messages=[UIMessage(id=turn.message_id, role="assistant", parts=[part])])


async def redeem_or_error(
    approvals: SignedApprovals, turn: Turn
) -> Mapping[str, Decision] | ChatError:
    try:
        return await approvals.redeem(turn)
    except ChatError as error:
        return error


async def test_a_request_expires_after_a_day() -> None:
    clock = Clock()
    approvals = SignedApprovals(None, MemoryNonces(), clock=clock)
    in_time, late = [(await approvals.request(TURN, CALL)).approval_id for _ in range(2)]
    clock.now += DAY - 1
    assert await redeem_or_error(approvals, turn_with_decision(in_time)) == {"t1": Decision(True)}
    clock.now += 1
    error = await redeem_or_error(approvals, turn_with_decision(late))
    assert isinstance(error, ChatError)
    assert (error.status, "has expired" in error.text) == (409, True)


FIELDS = st.tuples(
    st.none() | st.text('a|,"\n\\', max_size=3),
    *[st.text('a|,"\n\\', max_size=3)] * 3,
)


@given(FIELDS, FIELDS)
async def test_a_decision_is_valid_for_its_own_user_chat_call_and_tool(
    one: Any, other: Any
) -> None:
    approvals = SignedApprovals(SECRET, MemoryNonces())

    def case(fields: Any) -> tuple[Turn, ToolInputAvailable]:
        user, chat, call_id, name = fields
        call = ToolInputAvailable(tool_call_id=call_id, tool_name=name, input={})
        return replace(TURN, user=user, chat_id=chat), call

    turn, call = case(one)
    approval_id = (await approvals.request(turn, call)).approval_id
    turn, call = case(other)
    is_valid = not isinstance(
        await redeem_or_error(approvals, turn_with_decision(approval_id, call, turn)), ChatError
    )
    assert is_valid == (one == other)


async def test_all_decisions_are_valid_or_none() -> None:
    approvals = SignedApprovals(None, MemoryNonces())
    good = turn_with_decision((await approvals.request(TURN, CALL)).approval_id)
    other = ToolInputAvailable(tool_call_id="t2", tool_name="send", input={})
    bad = turn_with_decision("forged", other).messages[0].parts
    both = UIMessage(id="m1", role="assistant", parts=[*good.messages[0].parts, *bad])
    assert isinstance(await redeem_or_error(approvals, replace(TURN, messages=[both])), ChatError)
    assert await redeem_or_error(approvals, good) == {"t1": Decision(True)}


async def test_processes_with_shared_nonces_accept_each_others_approvals_once() -> None:
    nonces = SharedNonces()
    one, other = SignedApprovals(SECRET, nonces), SignedApprovals(SECRET, nonces)
    turn = turn_with_decision((await one.request(TURN, CALL)).approval_id)
    assert await redeem_or_error(other, turn) == {"t1": Decision(True)}
    assert [seconds >= DAY for seconds in nonces.used.values()] == [True]
    for process in (one, other):
        assert isinstance(await redeem_or_error(process, turn), ChatError)


@pytest.mark.parametrize("secret", [SECRET, None])
async def test_a_process_with_its_own_nonces_accepts_only_its_own_approvals(
    secret: str | None,
) -> None:
    one, other = (SignedApprovals(secret, MemoryNonces()) for _ in range(2))
    turn = turn_with_decision((await one.request(TURN, CALL)).approval_id)
    error = await redeem_or_error(other, turn)
    assert isinstance(error, ChatError)
    assert error.status == 403
    assert await redeem_or_error(one, turn) == {"t1": Decision(True)}


async def test_an_approval_signed_with_another_secret_is_rejected() -> None:
    one, other = (SignedApprovals(secret, SharedNonces()) for secret in (SECRET, SECRET + "!"))
    turn = turn_with_decision((await one.request(TURN, CALL)).approval_id)
    assert isinstance(await redeem_or_error(other, turn), ChatError)


async def test_used_nonces_are_forgotten_once_they_expire(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock()
    monkeypatch.setattr("usechat_server.approvals.nonces.monotonic", clock)
    nonces = MemoryNonces()
    for number in range(100):
        assert await nonces.consume(f"n{number}", 60)
        assert not await nonces.consume(f"n{number}", 60)
        clock.now += 1
    assert not await nonces.consume("n50", 60)
    assert len(nonces._used) <= 60
    assert await nonces.consume("n0", 60)


async def test_an_input_that_is_nested_too_deeply_is_rejected() -> None:
    approvals = SignedApprovals(None, MemoryNonces())
    approval_id = (await approvals.request(TURN, CALL)).approval_id
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    call = ToolInputAvailable(tool_call_id="t1", tool_name="send", input=deep)
    assert isinstance(
        await redeem_or_error(approvals, turn_with_decision(approval_id, call)), ChatError
    )


def test_several_processes_without_a_store_require_a_secret() -> None:
    check_secret(may_require_approval=True, has_store=False, is_shared=False, secret=None)
    check_secret(may_require_approval=False, has_store=False, is_shared=True, secret=None)
    check_secret(may_require_approval=True, has_store=True, is_shared=True, secret=None)
    check_secret(may_require_approval=True, has_store=False, is_shared=True, secret=SECRET)
    agent = Agent(PlanModel(), tools=approval_tools([]))
    with pytest.raises(ValueError, match="USECHAT_SECRET"):
        create_app(agent, settings=Settings(redis_url="redis://127.0.0.1:1"))
    create_app(Agent(PlanModel()), settings=Settings(redis_url="redis://127.0.0.1:1"))
