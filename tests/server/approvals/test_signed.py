"""Approvals whose id is their own proof: whose they are, how long they last, where they count."""

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


class RedisCommands:
    """What several processes remember together."""

    scope = b""

    def __init__(self) -> None:
        self.used: dict[str, float] = {}

    async def consume(self, nonce: str, seconds: float) -> bool:
        if nonce in self.used:
            return False
        self.used[nonce] = seconds
        return True


class Clock:
    """Seconds, as a test sets them."""

    def __init__(self, now: float = 1e9) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def answered(
    approval_id: str, call: ToolInputAvailable = CALL, turn: Turn = TURN, approved: bool = True
) -> Turn:
    """The turn of a page that answers."""
    part = ToolPart(
        tool_name=call.tool_name,
        tool_call_id=call.tool_call_id,
        state="approval-responded",
        input=call.input,
        approval=Approval(id=approval_id, approved=approved),
    )
    return replace(turn, messages=[UIMessage(id=turn.message_id, role="assistant", parts=[part])])


async def redeemed(approvals: SignedApprovals, turn: Turn) -> Mapping[str, Decision] | ChatError:
    try:
        return await approvals.redeem(turn)
    except ChatError as refused:
        return refused


async def test_an_answer_has_a_day() -> None:
    clock = Clock()
    approvals = SignedApprovals(None, MemoryNonces(), clock=clock)
    early, late = [(await approvals.request(TURN, CALL)).approval_id for _ in range(2)]
    clock.now += DAY - 1
    assert await redeemed(approvals, answered(early)) == {"t1": Decision(True)}
    clock.now += 1
    refused = await redeemed(approvals, answered(late))
    assert isinstance(refused, ChatError)
    assert (refused.status, "has expired" in refused.text) == (409, True)


FIELDS = st.tuples(
    st.none() | st.text('a|,"\n\\', max_size=3),
    *[st.text('a|,"\n\\', max_size=3)] * 3,
)


@given(FIELDS, FIELDS)
async def test_an_answer_counts_for_its_own_user_chat_call_and_tool(one: Any, other: Any) -> None:
    approvals = SignedApprovals(SECRET, MemoryNonces())

    def case(fields: Any) -> tuple[Turn, ToolInputAvailable]:
        user, chat, call_id, name = fields
        call = ToolInputAvailable(tool_call_id=call_id, tool_name=name, input={})
        return replace(TURN, user=user, chat_id=chat), call

    turn, call = case(one)
    approval_id = (await approvals.request(turn, call)).approval_id
    turn, call = case(other)
    counts = not isinstance(await redeemed(approvals, answered(approval_id, call, turn)), ChatError)
    assert counts == (one == other)


async def test_all_answers_count_or_none() -> None:
    approvals = SignedApprovals(None, MemoryNonces())
    good = answered((await approvals.request(TURN, CALL)).approval_id)
    other = ToolInputAvailable(tool_call_id="t2", tool_name="send", input={})
    bad = answered("forged", other).messages[0].parts
    both = UIMessage(id="m1", role="assistant", parts=[*good.messages[0].parts, *bad])
    assert isinstance(await redeemed(approvals, replace(TURN, messages=[both])), ChatError)
    assert await redeemed(approvals, good) == {"t1": Decision(True)}


async def test_processes_that_remember_together_take_each_others_approvals_once() -> None:
    nonces = RedisCommands()
    one, other = SignedApprovals(SECRET, nonces), SignedApprovals(SECRET, nonces)
    turn = answered((await one.request(TURN, CALL)).approval_id)
    assert await redeemed(other, turn) == {"t1": Decision(True)}
    assert [seconds >= DAY for seconds in nonces.used.values()] == [True]
    for process in (one, other):
        assert isinstance(await redeemed(process, turn), ChatError)


@pytest.mark.parametrize("secret", [SECRET, None])
async def test_a_process_that_remembers_alone_takes_only_its_own(secret: str | None) -> None:
    one, other = (SignedApprovals(secret, MemoryNonces()) for _ in range(2))
    turn = answered((await one.request(TURN, CALL)).approval_id)
    refused = await redeemed(other, turn)
    assert isinstance(refused, ChatError)
    assert refused.status == 403
    assert await redeemed(one, turn) == {"t1": Decision(True)}


async def test_another_secret_is_another_server() -> None:
    one, other = (SignedApprovals(secret, RedisCommands()) for secret in (SECRET, SECRET + "!"))
    turn = answered((await one.request(TURN, CALL)).approval_id)
    assert isinstance(await redeemed(other, turn), ChatError)


async def test_what_was_used_is_forgotten_when_it_cannot_be_used_anyway(
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


async def test_an_input_too_deep_to_read_is_refused() -> None:
    approvals = SignedApprovals(None, MemoryNonces())
    approval_id = (await approvals.request(TURN, CALL)).approval_id
    deep: Any = "x"
    for _ in range(5000):
        deep = [deep]
    call = ToolInputAvailable(tool_call_id="t1", tool_name="send", input=deep)
    assert isinstance(await redeemed(approvals, answered(approval_id, call)), ChatError)


def test_several_processes_need_a_secret() -> None:
    check_secret(may_require_approval=True, has_store=False, is_shared=False, secret=None)
    check_secret(may_require_approval=False, has_store=False, is_shared=True, secret=None)
    check_secret(may_require_approval=True, has_store=True, is_shared=True, secret=None)
    check_secret(may_require_approval=True, has_store=False, is_shared=True, secret=SECRET)
    asks = Agent(PlanModel(), tools=approval_tools([]))
    with pytest.raises(ValueError, match="USECHAT_SECRET"):
        create_app(asks, settings=Settings(redis_url="redis://127.0.0.1:1"))
    create_app(Agent(PlanModel()), settings=Settings(redis_url="redis://127.0.0.1:1"))
