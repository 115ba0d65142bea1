"""Whatever tools do and whoever ends it when: the log is legal, ends once, and can be gone on with.

Each example is a chat: an answer with tools, ended from outside or by itself, then what a page
makes of it (people decide, the page answers its own calls), as often as the page would go on.
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
from usechat_server.runs import RetryPolicy
from usechat_server.tools import ClientTool, ToolContext, ToolError, tool
from usechat_server.turn import Turn

from tests.harness.asgi_host import LONG, chunks_of
from tests.harness.fake_provider_rules import problems
from tests.harness.scripted_model import ScriptedModel, ScriptEvent
from tests.harness.turns import Scene, ask, call, changed, text

CLIENT_VERSIONS = [
    ClientVersion(5),
    DEFAULT_CLIENT_VERSION,
    ClientVersion(6),
    ClientVersion(7),
    NEWEST_CLIENT_VERSION,
]
#: A call that nobody has to do anything about.
SETTLED = ("output-available", "output-error", "output-denied")
WHERE = ClientTool("where", "Where the page is.", {"type": "object"})

#: What a tool does, one thing after another, and how it ends.
Act = str
acts = st.lists(st.sampled_from(["turn", "data", "transient", "preliminary"]), max_size=4).flatmap(
    lambda before: st.sampled_from(
        ["done", "refuses", "crashes", "vanishes", "never", "slow end", "stubborn"]
    ).map(lambda end: (*before, end))
)
#: How a call is judged.
judgements = st.sampled_from([None, None, "ask", "approve", "deny", "crash"])


@dataclass(frozen=True)
class Called:
    """A call that the model makes."""

    kind: str
    acts: tuple[Act, ...]
    judgement: str | None


kinds = st.sampled_from(["work", "work", "work", "where", "nobody", "wrong", "half"])
calls = st.builds(Called, kind=kinds, acts=acts, judgement=judgements)
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


class Chat:
    """What happens in one example."""

    def __init__(
        self, script: Sequence[tuple[bool, list[Called], Any]], client_version: ClientVersion
    ) -> None:
        self.client_version = client_version
        self.ran: Counter[str] = Counter()
        self._script = iter(script)
        self._told: dict[str, Called] = {}
        self._numbers = iter(range(10_000))
        self.model = ScriptedModel(self)
        #: the calls that may run in this turn
        self.allowed: set[str] = set()

    def __iter__(self) -> Iterator[ScriptEvent]:
        """One call of the model. After the script, it only talks."""
        last = self.model.calls[-1].messages[-1]
        if last.role == "assistant":
            assert all(part.state in SETTLED for part in last_calls(last)), "asked too early"
        talks, calling, end = next(self._script, (True, [], StepResult("stop")))
        if talks:
            yield text("So.")
        for one in calling:
            call_id = f"c{next(self._numbers)}"
            self._told[call_id] = one
            if one.judgement in (None, "approve"):
                self.allowed.add(call_id)
            match one.kind:
                case "half":
                    yield [
                        ToolInputStart(tool_call_id=call_id, tool_name="work"),
                        ToolInputDelta(tool_call_id=call_id, input_text_delta='{"x'),
                    ]
                case "wrong":
                    yield call(call_id, "work", nonsense=1)
                case "work":
                    yield call(call_id, "work", call_id=call_id)
                case other:
                    yield call(call_id, other)
            yield 0.0
        if end == "silence":
            yield asyncio.Event()
        else:
            yield end

    def agent(self, *, timeout: float | None) -> Agent:
        def judge(arguments: Mapping[str, Any], turn: Turn) -> Approve | Ask | Deny | bool:
            match self._told[arguments["call_id"]].judgement:
                case "ask":
                    return Ask("Really?")
                case "approve":
                    return Approve("Fine.")
                case "deny":
                    return Deny("No.")
                case "crash":
                    raise LookupError("judge")
            return False

        @tool(needs_approval=judge)
        async def work(call_id: str, ctx: ToolContext) -> AsyncIterator[int]:
            """Does what the example says."""
            assert ctx.tool_call_id == call_id
            assert call_id in self.allowed, "it was not allowed"
            self.ran[call_id] += 1
            for act in self._told[call_id].acts:
                match act:
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


async def one_answer(scene: Scene, turn: Turn, event: tuple[int, str]) -> UIMessage:
    """Plays one turn, checks what every log must be, and gives what the page has then."""
    run = await scene.begin(turn)
    host = scene.host(turn.client_version)
    responder = host.request()
    turns, what = event
    for _ in range(turns):
        await asyncio.sleep(0)
    if what == "leave":
        host.leave()
    elif what == "stop":
        run.stop()
    elif what == "drain":
        await asyncio.wait_for(scene.runs.drain(0), LONG)
    # Whatever would take for ever is ended by the server.
    by_itself, _ = await asyncio.wait([responder], timeout=0.01)
    await asyncio.wait_for(scene.runs.drain(0), LONG)
    await asyncio.wait_for(responder, LONG)
    scene.runs.draining = False

    whole = await everything(run.log.reader(NEWEST_CLIENT_VERSION))
    check_log(turn, whole)
    message = reduce(host.chunks, turn.continued)
    if what != "leave":
        assert host.body.endswith(b"data: [DONE]\n\n")
        assert sum(isinstance(chunk, Abort | Error | Finish) for chunk in host.chunks) == 1
    if by_itself and what in ("nothing", "time") and isinstance(whole[-1], Finish):
        # Nothing looks as if it still ran.
        waiting = [part for part in last_calls(run.log.message()) if part.state not in SETTLED]
        for part in waiting:
            assert part.tool_name == "where" or part.state == "approval-requested"
    assert len(asyncio.all_tasks()) == 1, asyncio.all_tasks()
    return message


async def everything(reader: Any) -> list[Chunk]:
    data = b""
    while (piece := await asyncio.wait_for(reader.read(), LONG)) is not None:
        data += piece
    return chunks_of(data)


def check_log(turn: Turn, whole: list[Chunk]) -> None:
    grammar = StreamState(turn.continued, client_version=turn.client_version)
    for chunk in whole:
        grammar.check(chunk)
    assert isinstance(whole[-1], Finish | Abort | Error)


def check_history(messages: list[UIMessage]) -> None:
    """A person can always write on: the provider takes what there is."""
    more = UIMessage(id="u2", role="user", parts=[TextPart(text="And?")])
    made = build_request(ModelCall([*messages, more], tools=(WHERE,)), model="m", max_tokens=10)
    assert problems(made) == []


def last_calls(message: UIMessage) -> list[ToolPart]:
    """The calls of the last step that are not the provider's."""
    parts = message.parts
    last = max((i for i, part in enumerate(parts) if isinstance(part, StepStartPart)), default=0)
    return [part for part in parts[last:] if isinstance(part, ToolPart)]


def decide(message: UIMessage, *, yes: bool, one: bool) -> tuple[UIMessage, set[str]] | None:
    """The message after people and the page did their part (or one of them did), and the calls
    that were allowed; None: there is nothing to go on with."""
    message = normalize_legacy_approvals(message)
    answered: set[str] = set()
    allowed: set[str] = set()
    for part in last_calls(message):
        call_id = part.tool_call_id
        if one and answered:
            break
        if part.state == "approval-requested" and part.approval is not None:
            approval = Approval(id=part.approval.id, approved=yes)
            message = changed(message, call_id, state="approval-responded", approval=approval)
            answered.add(call_id)
            if yes:
                allowed.add(call_id)
        elif part.state == "input-available" and part.tool_name == "where":
            message = changed(message, call_id, state="output-available", output="here")
            answered.add(call_id)
    return (message, allowed) if answered else None


class Failures(logging.Handler):
    """What failed that no example made fail."""

    EXPECTED = (ModelError, ToolError, LookupError, asyncio.CancelledError)

    def __init__(self) -> None:
        super().__init__()
        self.found: list[object] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        expected = isinstance(error, self.EXPECTED) or str(error).startswith("bug")
        if error is not None and not expected:
            self.found.append(error)

    def of_loop(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        self.found.append(context)


@settings(max_examples=120)
@given(
    script=steps,
    event=events,
    later=events,
    client_version=st.sampled_from(CLIENT_VERSIONS),
    person=st.fixed_dictionaries({"yes": st.booleans(), "one": st.booleans()}),
)
def test_a_chat_with_tools(
    script: list[tuple[bool, list[Called], Any]],
    event: tuple[int, str],
    later: tuple[int, str],
    client_version: ClientVersion,
    person: dict[str, bool],
) -> None:
    failures = Failures()

    async def play() -> None:
        asyncio.get_running_loop().set_exception_handler(failures.of_loop)
        chat = Chat(script, client_version)
        timeout = 0.005 if "time" in (event[1], later[1]) else None
        scene = Scene(chat.agent(timeout=timeout), retry=RetryPolicy(attempts=2, first_wait=0.0))
        turn = ask(client_version)
        message = await one_answer(scene, turn, event)
        check_history([turn.messages[0], message])
        for _ in range(3):
            decided = decide(message, **person)
            if decided is None:
                break
            message, chat.allowed = decided
            turn = ask(client_version, message)
            check_history([turn.messages[0], message])
            try:
                message = await one_answer(scene, turn, later)
            except ChatError as refused:
                # What was allowed began, and was stopped: it does not run a second time.
                if "was already used" not in refused.text:
                    raise
                break
            check_history([turn.messages[0], message])
        assert all(count == 1 for count in chat.ran.values()), chat.ran
        # A call of the model is tried twice at most, in each step.
        assert len(chat.model.calls) <= 4 * 3 * 2

    logger = logging.getLogger("usechat")
    logger.addHandler(failures)
    logger.propagate = False
    try:
        asyncio.run(play())
        gc.collect(1)  # a task whose failure nobody saw says so then
    finally:
        logger.removeHandler(failures)
        logger.propagate = True
    assert not failures.found
