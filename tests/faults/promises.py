"""What a server promises, whatever faults there are."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from ui_message_stream.messages import ToolPart, UIMessage
from usechat_server.runs.checkpoints import CHECKPOINT_SECONDS, RENEWAL

from tests.faults.campaign import Campaign
from tests.faults.model import (
    Piece,
    is_whole,
    is_whole_but_for_tools,
    message_text,
    open_calls,
    pieces,
)
from tests.faults.plan import APPROVED_TOOL, SIDE_EFFECTS
from tests.faults.records import FaultRecord, Turn
from tests.faults.tab import TabClient

__all__ = ["broken_promises", "whole_turns"]

#: Seconds that the write of a checkpoint may take on an idle machine.
WRITE_SECONDS = 0.5


def whole_turns(turns: Sequence[Turn]) -> list[Turn]:
    return [turn for turn in turns if is_whole(turn.stored, turn.question)]


def broken_promises(campaign: Campaign, turns: Sequence[Turn]) -> list[str]:
    """Return each promise about these turns that was not kept, with the chat."""
    runs = Counter((tool, chat) for tool, chat, what, _ in campaign.tool_runs if what == "begins")
    broken = []
    for turn in turns:
        problems = list(_problems(campaign, turn))
        chat = turn.question.chat
        problems += [
            f"{tool} ran {runs[tool, chat]} times" for tool in SIDE_EFFECTS if runs[tool, chat] > 1
        ]
        if runs[APPROVED_TOOL, chat] and not turn.tabs[0].resolved:
            problems.append(f"{APPROVED_TOOL} ran without an approval")
        broken += [f"{chat}: {problem}" for problem in problems]
    return broken


def _problems(campaign: Campaign, turn: Turn) -> Iterator[str]:
    if turn.failure:
        yield turn.failure
        return
    whole = is_whole(turn.stored, turn.question)
    if not whole:
        if not any(_explains(fault, turn) for fault in turn.faults):
            yield f"not whole, which no fault explains: {_describe(turn.stored)}"
        if not any(tab.shows_error for tab in turn.tabs):
            yield f"not whole, and no client shows an error: {_describe(turn.stored)}"
    for number, tab in enumerate(turn.tabs):
        yield from (f"tab {number}: {problem}" for problem in _tab_problems(turn, tab))
    for tab, loaded in zip(turn.tabs, turn.reloaded, strict=True):
        last = loaded["messages"][-1] if loaded else None
        if (last is None or last["role"] == "user") and turn.stored is not None:
            yield f"a tab with ai {tab.plan.client_version} loads no response"
    yield from _late_checkpoints(campaign, turn)
    yield from _lost_text(campaign, turn)
    hello = turn.hello
    if hello is None:
        yield "the next question was not asked"
    elif [stream.status for stream in hello.streams] != [200]:
        yield f"the next question got {[(s.status, s.text) for s in hello.streams]}"
    else:
        end = hello.streams[0].end
        if end is None or end["type"] != "finish":
            yield f"the response to the next question ended with {hello.streams[0].chunks[-1:]}"


def _tab_problems(turn: Turn, tab: TabClient) -> Iterator[str]:
    """What a tab was shown must be legal, and be what is stored if it ended well."""
    for stream in tab.streams:
        try:
            message = stream.message()
            pieces(message_text(message))
        except (AssertionError, ValueError) as error:
            yield f"was shown an illegal stream: {error}"
            continue
        if stream.end is None or stream.end["type"] == "error":
            continue
        is_interrupted = stream.end.get("finishReason") == "interrupted"
        text, stored = message_text(message), message_text(turn.stored) if turn.stored else ""
        if waits := bool(open_calls(message)):
            stored = stored[: len(text)]
        if text != stored and not _may_lose_end(turn):
            yield f"was shown an end that is not stored: {_describe(message)}"
        elif not (waits or is_interrupted or _may_finish(message, turn)):
            yield f"was shown a finish of half a response: {_describe(message)}"
    if turn.faults or any(fault.process in tab.processes for fault in turn.other_faults):
        return
    mounted = [tab.mounted] if tab.mounted else []
    errors = [stream for stream in [*mounted, *tab.streams] if stream.status not in {200, 204}]
    lost = [stream for stream in tab.streams if stream.status == 200 and not stream.is_complete]
    reloads = 1 if tab.plan.reloads else 0
    if errors or len(lost) > reloads or tab.shows_error or tab.failed_loads:
        statuses = [(stream.method, stream.status, stream.text) for stream in tab.streams]
        yield f"had errors though no fault touched it: {statuses} {tab.failed_loads}"


def _may_lose_end(turn: Turn) -> bool:
    """Whether an end may be lost that was shown: while the store is unavailable, only Redis and the
    process have it."""
    is_unavailable = any(fault.plan.kind.endswith("database") for fault in turn.faults)
    return is_unavailable and any(
        fault.plan.kind == "kill and empty redis" for fault in [*turn.faults, *turn.later_faults]
    )


def _may_finish(message: UIMessage, turn: Turn) -> bool:
    question = turn.question
    return is_whole(message, question) or is_whole_but_for_tools(message, question)


def _explains(fault: FaultRecord, turn: Turn) -> bool:
    """Whether a fault may be why a response is not whole."""
    match fault.plan.kind:
        case "kill and empty redis" | "drain" | "cut provider" | "stall provider":
            return True
        case "kill" | "pause" | "cut database" | "stall database" | "mute database":
            # Another process has taken it over: a handler cannot be continued, and a tool that must
            # not run twice may have been running.
            return turn.app == "handler" or not SIDE_EFFECTS.isdisjoint(turn.question.tools)
        case _:
            return False


def _late_checkpoints(campaign: Campaign, turn: Turn) -> Iterator[str]:
    """While no fault touches a turn, the store is never further behind the clients than this."""
    if turn.faults:
        return
    received = _received_pieces(turn)
    for sample in turn.samples:
        bound = _bound(campaign, sample.began)
        due = {piece for time, piece in received if time < sample.began - bound}
        if missing := due - set(pieces(sample.text)):
            yield f"{len(missing)} pieces were not stored {bound:.1f} s after they were shown"
            return


def _lost_text(campaign: Campaign, turn: Turn) -> Iterator[str]:
    """A killed process and an emptied Redis lose no more text than the bound allows."""
    fatal = [fault for fault in turn.faults if fault.plan.kind == "kill and empty redis"]
    if not fatal or len(turn.faults) > 1 or is_whole(turn.stored, turn.question):
        return
    killed = fatal[0].began
    bound = _bound(campaign, killed)
    due = {(p.step, p.number) for time, p in _received_pieces(turn) if time < killed - bound}
    stored = pieces(message_text(turn.stored)) if turn.stored is not None else []
    if missing := due - {(p.step, p.number) for p in stored}:
        yield f"{len(missing)} pieces were lost that were shown {bound:.1f} s before the kill"


def _bound(campaign: Campaign, time: float) -> float:
    """Return the documented bound, and by how much this machine is too slow to keep it."""
    delays = [delay for at, delay in campaign.delays if time - 5 < at <= time]
    return CHECKPOINT_SECONDS + RENEWAL + WRITE_SECONDS + 2 * max(delays, default=0.0)


def _received_pieces(turn: Turn) -> list[tuple[float, Piece]]:
    """Return each piece that a tab was shown as it was written, and when."""
    received = []
    for tab in turn.tabs:
        for stream in tab.streams:
            for time, chunk in zip(stream.times, stream.chunks, strict=True):
                if chunk["type"] == "text-delta":
                    received += [(time, piece) for piece in pieces(chunk["delta"])]
    return received


def _describe(message: UIMessage | None) -> str:
    if message is None:
        return "no response"
    written = pieces(message_text(message))
    tools = [
        f"{part.tool_name} {part.state}" for part in message.parts if isinstance(part, ToolPart)
    ]
    counts = Counter((piece.step, piece.attempt) for piece in written)
    text = ", ".join(f"{count} {step}.{attempt}" for (step, attempt), count in counts.items())
    return f"[{text}; {', '.join(tools)}]"
