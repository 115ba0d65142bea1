"""Property: whatever tools do and whatever ends a run, its log is legal, ends once and can be
continued.

Each example is a chat: a run with tool calls, which ends by itself or is ended, then what the
client makes of it (decisions of the user, outputs of client-side tools), as often as the client
would continue.
"""

from __future__ import annotations

import asyncio
import gc
import logging
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from ui_message_stream.chunks import Abort, Chunk, Error, Finish, ToolInputDelta, ToolInputStart
from ui_message_stream.messages import Approval, StepStartPart, TextPart, ToolPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.state import StreamState
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.approvals import Approve, Ask, Deny, normalize_legacy_approvals
from usechat_server.errors import ChatError, ModelError
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.base import ModelCall, StepResult
from usechat_server.providers.retry import RetryPolicy
from usechat_server.tools import ClientTool, ToolContext, ToolError, tool
from usechat_server.turn import Turn

from tests.harness.agent_chat import AgentChat, call_chunks, make_turn, text_chunks, with_part
from tests.harness.asgi_host import LONG, chunks_of
from tests.harness.fake_provider_rules import request_errors
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

CLIENT_VERSIONS = [
    ClientVersion(5),
    DEFAULT_CLIENT_VERSION,
    ClientVersion(6),
    ClientVersion(7),
    NEWEST_CLIENT_VERSION,
]
#: States of a call that is complete.
COMPLETE = ("output-available", "output-error", "output-denied")
WHERE = ClientTool("where", "Where the user is.", {"type": "object"})

#: An action of a tool; the last one of a call is how it ends.
Action = str
actions = st.lists(
    st.sampled_from(["turn", "data", "transient", "preliminary"]), max_size=4
).flatmap(
    lambda before: st.sampled_from(
        ["done", "refuses", "crashes", "vanishes", "never", "slow end", "stubborn"]
    ).map(lambda end: (*before, end))
)
#: What the approval policy decides on a call.
verdicts = st.sampled_from([None, None, "ask", "approve", "deny", "crash"])


@dataclass(frozen=True)
class PlannedCall:
    """A tool call of the model."""

    kind: str
    actions: tuple[Action, ...]
    verdict: str | None


kinds = st.sampled_from(["work", "work", "work", "where", "unknown", "wrong", "half"])
calls = st.builds(PlannedCall, kind=kinds, actions=actions, verdict=verdicts)
ends = st.sampled_from(
    [
        *[StepResult("tool-calls")] * 6,
        StepResult("stop"),
        StepResult("stop", paused=True),
        StepResult("length"),
        StepResult("content-filter"),
        ModelError("busy", "overloaded", retryable=True),
        ModelError("cut", "truncated"),
        RuntimeError("bug"),
        "silence",
    ]
)
steps = st.lists(st.tuples(st.booleans(), st.lists(calls, max_size=3), ends), max_size=4)
events = st.tuples(
    st.integers(0, 60),
    st.sampled_from(["nothing", "nothing", "leave", "stop", "drain", "time"]),
)


class Example:
    """One example: what the model does in each call, and what the tools do."""

    def __init__(
        self, script: Sequence[tuple[bool, list[PlannedCall], Any]], client_version: ClientVersion
    ) -> None:
        self.client_version = client_version
        self.ran: Counter[str] = Counter()
        self._script = iter(script)
        self._calls: dict[str, PlannedCall] = {}
        self._numbers = iter(range(10_000))
        self.model = ScriptedModel(self)
        #: ids of the calls that may run in this turn
        self.allowed: set[str] = set()

    def __iter__(self) -> Iterator[ScriptEvent]:
        """Play one model call. After the script, the model only writes text."""
        last = self.model.calls[-1].messages[-1]
        if last.role == "assistant":
            assert all(part.state in COMPLETE for part in last_calls(last)), (
                "the model was called too early"
            )
        has_text, planned, end = next(self._script, (True, [], StepResult("stop")))
        if has_text:
            yield text_chunks("So.")
        for planned_call in planned:
            call_id = f"c{next(self._numbers)}"
            self._calls[call_id] = planned_call
            if planned_call.verdict in (None, "approve"):
                self.allowed.add(call_id)
            match planned_call.kind:
                case "half":
                    yield [
                        ToolInputStart(tool_call_id=call_id, tool_name="work"),
                        ToolInputDelta(tool_call_id=call_id, input_text_delta='{"x'),
                    ]
                case "wrong":
                    yield call_chunks(call_id, "work", nonsense=1)
                case "work":
                    yield call_chunks(call_id, "work", call_id=call_id)
                case other:
                    yield call_chunks(call_id, other)
            yield 0.0
        if end == "silence":
            yield asyncio.Event()
        else:
            yield end

    def agent(self, *, timeout: float | None) -> Agent:
        def policy(arguments: Mapping[str, Any], turn: Turn) -> Approve | Ask | Deny | bool:
            match self._calls[arguments["call_id"]].verdict:
                case "ask":
                    return Ask("Really?")
                case "approve":
                    return Approve("Fine.")
                case "deny":
                    return Deny("No.")
                case "crash":
                    raise LookupError("policy")
            return False

        @tool(needs_approval=policy)
        async def work(call_id: str, ctx: ToolContext) -> AsyncIterator[int]:
            """Performs the actions of the planned call."""
            assert ctx.tool_call_id == call_id
            assert call_id in self.allowed, "the call was not approved"
            self.ran[call_id] += 1
            for action in self._calls[call_id].actions:
                match action:
                    case "turn":
                        await asyncio.sleep(0)
                    case "data":
                        ctx.data("n", 1, id=call_id)
                    case "transient":
                        ctx.data("n", 2, transient=True)
                    case "preliminary":
                        yield 1
                    case "done":
                        yield 2
                    case "refuses":
                        raise ToolError("No.")
                    case "crashes":
                        raise RuntimeError("bug in the tool")
                    case "vanishes":
                        raise asyncio.CancelledError
                    case "never":
                        await asyncio.Event().wait()
                    case "stubborn":
                        try:
                            await asyncio.Event().wait()
                        except asyncio.CancelledError:
                            ctx.data("late", 1)
                            yield 3
                    case "slow end":
                        try:
                            await asyncio.Event().wait()
                        finally:
                            ctx.data("late", 1)
                            await asyncio.sleep(0)

        return Agent(
            self.model,
            tools=[work, WHERE],
            max_steps=3,
            timeout=timeout,
            approvals="native" if self.client_version >= ClientVersion(6) else "client-tool",
        )


async def run_turn(chat: AgentChat, turn: Turn, event: tuple[int, str]) -> UIMessage:
    """Run one turn, check its log, and return the message that the client has then."""
    run = await chat.start_run(turn)
    host = chat.connect(turn.client_version)
    responder = host.request()
    iterations, what = event
    for _ in range(iterations):
        await asyncio.sleep(0)
    if what == "leave":
        host.disconnect()
    elif what == "stop":
        run.stop()
    elif what == "drain":
        await asyncio.wait_for(chat.runs.drain(0), LONG)
    # A run that would not end is ended by the drain.
    ended_by_itself, _ = await asyncio.wait([responder], timeout=0.01)
    await asyncio.wait_for(chat.runs.drain(0), LONG)
    await asyncio.wait_for(responder, LONG)
    chat.runs._runs.draining = False

    chunks = await read_all(run.log.reader(NEWEST_CLIENT_VERSION))
    check_log(turn, chunks)
    message = reduce(host.chunks, turn.continued)
    if what != "leave":
        assert host.body.endswith(b"data: [DONE]\n\n")
        assert sum(isinstance(chunk, Abort | Error | Finish) for chunk in host.chunks) == 1
    if ended_by_itself and what in ("nothing", "time") and isinstance(chunks[-1], Finish):
        # No call looks as if it were still running.
        open_calls = [part for part in last_calls(run.log.message()) if part.state not in COMPLETE]
        for part in open_calls:
            assert part.tool_name == "where" or part.state == "approval-requested"
    assert len(asyncio.all_tasks()) == 1, asyncio.all_tasks()
    return message


async def read_all(reader: Any) -> list[Chunk]:
    data = b""
    while (piece := await asyncio.wait_for(reader.read(), LONG)) is not None:
        data += piece
    return chunks_of(data)


def check_log(turn: Turn, chunks: list[Chunk]) -> None:
    state = StreamState(turn.continued, client_version=turn.client_version)
    for chunk in chunks:
        state.check(chunk)
    assert isinstance(chunks[-1], Finish | Abort | Error)


def check_history(messages: list[UIMessage]) -> None:
    """Check that the provider accepts the history with another user message."""
    question = UIMessage(id="u2", role="user", parts=[TextPart(text="And?")])
    body = build_request(ModelCall([*messages, question], tools=(WHERE,)), model="m", max_tokens=10)
    assert request_errors(body) == []


def last_calls(message: UIMessage) -> list[ToolPart]:
    """Return the tool calls of the last step."""
    parts = message.parts
    last = max((i for i, part in enumerate(parts) if isinstance(part, StepStartPart)), default=0)
    return [part for part in parts[last:] if isinstance(part, ToolPart)]


def decide(
    message: UIMessage, *, approve: bool, first_only: bool
) -> tuple[UIMessage, set[str]] | None:
    """Add decisions on the open approvals and outputs of the client-side calls; with
    `first_only`, only the first of them.

    Returns:
        The message and the ids of the approved calls; None if no call is open.
    """
    message = normalize_legacy_approvals(message)
    changed: set[str] = set()
    approved: set[str] = set()
    for part in last_calls(message):
        call_id = part.tool_call_id
        if first_only and changed:
            break
        if part.state == "approval-requested" and part.approval is not None:
            approval = Approval(id=part.approval.id, approved=approve)
            message = with_part(message, call_id, state="approval-responded", approval=approval)
            changed.add(call_id)
            if approve:
                approved.add(call_id)
        elif part.state == "input-available" and part.tool_name == "where":
            message = with_part(message, call_id, state="output-available", output="here")
            changed.add(call_id)
    return (message, approved) if changed else None


class Failures(logging.Handler):
    """Collects logged errors that the example did not cause."""

    EXPECTED = (ModelError, ToolError, LookupError, asyncio.CancelledError)

    def __init__(self) -> None:
        super().__init__()
        self.unexpected: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        expected = isinstance(error, self.EXPECTED) or str(error).startswith("bug")
        if error is not None and not expected:
            self.unexpected.append(error)

    def handle_loop_error(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.unexpected.append(context)


@settings(max_examples=120)
@given(
    script=steps,
    event=events,
    later=events,
    client_version=st.sampled_from(CLIENT_VERSIONS),
    decisions=st.fixed_dictionaries({"approve": st.booleans(), "first_only": st.booleans()}),
)
def test_a_chat_with_tools(
    script: list[tuple[bool, list[PlannedCall], Any]],
    event: tuple[int, str],
    later: tuple[int, str],
    client_version: ClientVersion,
    decisions: dict[str, bool],
) -> None:
    failures = Failures()

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(failures.handle_loop_error)
        example = Example(script, client_version)
        timeout = 0.005 if "time" in (event[1], later[1]) else None
        chat = AgentChat(
            example.agent(timeout=timeout), retry=RetryPolicy(attempts=2, first_wait=0.0)
        )
        turn = make_turn(client_version)
        message = await run_turn(chat, turn, event)
        check_history([turn.messages[0], message])
        for _ in range(3):
            decided = decide(message, **decisions)
            if decided is None:
                break
            message, example.allowed = decided
            turn = make_turn(client_version, message)
            check_history([turn.messages[0], message])
            try:
                message = await run_turn(chat, turn, later)
            except ChatError as error:
                # The approved calls started and were stopped: they do not run twice.
                if "was already used" not in error.text:
                    raise
                break
            check_history([turn.messages[0], message])
        assert all(count == 1 for count in example.ran.values()), example.ran
        # Each step has two attempts at most.
        assert len(example.model.calls) <= 4 * 3 * 2

    logger = logging.getLogger("usechat")
    logger.addHandler(failures)
    logger.propagate = False
    try:
        asyncio.run(play())
        gc.collect(1)  # a task whose exception was not retrieved logs it when it is collected
    finally:
        logger.removeHandler(failures)
        logger.propagate = True
    assert not failures.unexpected
