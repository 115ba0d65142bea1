"""What happens in a fault test, drawn from a seed: questions in rounds, and the faults of each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Literal

__all__ = [
    "APPROVED_TOOL",
    "CLIENT_TOOL",
    "SIDE_EFFECTS",
    "App",
    "Database",
    "Fault",
    "FaultKind",
    "Moment",
    "Question",
    "Round",
    "Tab",
    "Tool",
    "draw_rounds",
]

Database = Literal["sqlite", "postgresql"]
#: What responds: an agent, or a handler that writes the response itself.
App = Literal["agent", "handler"]
#: `charge` must not run twice and `look` may, `refund` needs an approval, the client runs `choose`.
Tool = Literal["charge", "look", "refund", "choose"]
CLIENT_TOOL: Tool = "choose"
APPROVED_TOOL: Tool = "refund"
#: The tools that must not run twice.
SIDE_EFFECTS: frozenset[Tool] = frozenset({"charge", "refund"})

FaultKind = Literal[
    "kill",
    "kill and empty redis",
    "drain",
    "pause",
    "empty redis",
    "freeze redis",
    "restart database",
    "cut client",
    "cut redis",
    "cut database",
    "cut provider",
    "stall client",
    "stall redis",
    "stall database",
    "stall provider",
    "mute redis",
    "mute database",
]

#: Kind → how often it is in the deck from which faults are drawn, and the seconds it may take.
#: Five seconds is the length of a lease.
_DECK: dict[FaultKind, tuple[int, tuple[float, ...]]] = {
    "kill": (5, (0.0, 0.5)),
    "kill and empty redis": (3, (0.0, 0.5)),
    "drain": (2, (0.0,)),
    "pause": (5, (1.0, 7.5, 7.5)),
    "empty redis": (2, (0.0, 1.5)),
    "freeze redis": (2, (0.5, 3.0, 7.0)),
    "restart database": (3, (0.0, 2.0, 7.5)),
    "cut client": (1, (0.0, 1.0)),
    "cut redis": (2, (0.0, 1.0, 7.5)),
    "cut database": (2, (0.0, 3.0, 7.5)),
    "cut provider": (1, (0.0,)),
    "stall client": (1, (1.0, 4.0)),
    "stall redis": (2, (1.0, 3.0, 7.5)),
    "stall database": (2, (1.0, 3.0, 7.5)),
    "stall provider": (1, (1.0, 4.0)),
    "mute redis": (1, (0.5, 3.0)),
    "mute database": (2, (0.2, 1.0, 7.5)),
}
#: Faults after which another process takes runs over.
_TAKEOVERS: frozenset[FaultKind] = frozenset({"kill", "kill and empty redis", "pause"})
#: A SQLite file has no network and no process of its own: `restart database` locks it.
_NOT_SQLITE = frozenset({"cut database", "stall database", "mute database"})

#: The last one knows no approvals.
CLIENT_VERSIONS = ("7.0.173", "6.0.324", "5.0.92")
#: The tools that a response calls at once.
_TOOLS: tuple[tuple[Tool, ...], ...] = (
    (),
    (),
    ("charge",),
    ("look",),
    ("charge", "look"),
    ("choose",),
    ("look", "choose"),
    ("refund",),
    ("charge", "refund"),
)
QUESTIONS_PER_ROUND: dict[App, tuple[int, int]] = {"agent": (6, 10), "handler": (2, 4)}
#: Of so many rounds, one is of handlers.
_ROUNDS_PER_HANDLER = 8


@dataclass(frozen=True)
class Moment:
    """A point of a response, as a tab is shown it: so many chunks of a type."""

    chunk_type: str
    count: int = 1


@dataclass(frozen=True)
class Tab:
    """A tab that shows a chat."""

    client_version: str
    #: when another tab, which opens later, is opened
    opens: Moment | None = None
    #: when it is reloaded by its user
    reloads: Moment | None = None


@dataclass(frozen=True)
class Question:
    """A question, and the response that the model gives to it."""

    chat: str
    #: the tools that are called at once, after the first text
    tools: tuple[Tool, ...]
    #: how many pieces the text before and after the tools has
    before: int
    after: int
    #: the first one asks
    tabs: tuple[Tab, ...]
    #: whether it is asked when the round's first fault has begun
    waits_for_fault: bool = False
    #: seconds until the user answers what the response waits for
    answer_seconds: float = 0.0

    @property
    def waits(self) -> bool:
        """Whether the response waits for the client, or for the user."""
        return not {CLIENT_TOOL, APPROVED_TOOL}.isdisjoint(self.tools)


@dataclass(frozen=True)
class Fault:
    """A fault, which begins at a moment of one question's response."""

    kind: FaultKind
    #: index of the question in its round
    victim: int
    moment: Moment
    #: whether it is the process that runs the response, or the other one
    hits_owner: bool
    seconds: float


@dataclass(frozen=True)
class Round:
    """Questions at the same time, and faults meanwhile. The next round begins in good health."""

    questions: tuple[Question, ...]
    faults: tuple[Fault, ...]
    app: App = "agent"


def draw_rounds(seed: int, turns: int, database: Database) -> list[Round]:
    """Draw rounds with so many questions in all."""
    chance = random.Random(seed)
    deck: list[FaultKind] = []
    rounds: list[Round] = []
    while turns > 0:
        app: App = "agent" if chance.randrange(_ROUNDS_PER_HANDLER) else "handler"
        size = min(chance.randint(*QUESTIONS_PER_ROUND[app]), turns)
        turns -= size
        questions = tuple(
            _draw_question(chance, f"chat-{len(rounds)}-{index}", app) for index in range(size)
        )
        faults = []
        for _ in range(chance.choice([0, 1, 1, 2, 2, 2])):
            if not deck:
                deck = [
                    kind
                    for kind, (count, _) in _DECK.items()
                    if database != "sqlite" or kind not in _NOT_SQLITE
                    for _ in range(count)
                ]
                chance.shuffle(deck)
            faults.append(_draw_fault(chance, deck.pop(), questions))
        rounds.append(Round(questions, tuple(faults), app))
    return rounds


def _draw_question(chance: random.Random, chat: str, app: App) -> Question:
    tools = chance.choice(_TOOLS) if app == "agent" else ()
    versions = CLIENT_VERSIONS[:-1] if APPROVED_TOOL in tools else CLIENT_VERSIONS
    tabs = [Tab(chance.choice(versions), None, _draw_reload(chance))]
    for _ in range(chance.choice([0, 1, 1, 2])):
        opens = Moment("text-delta", chance.randrange(1, 10))
        tabs.append(Tab(chance.choice(versions), opens, _draw_reload(chance)))
    return Question(
        chat,
        tools,
        before=chance.randrange(10, 40) if tools else 0,
        after=chance.randrange(15, 60),
        tabs=tuple(tabs),
        waits_for_fault=chance.random() < 0.15,
        answer_seconds=chance.choice([0.0, 0.5, 2.0]),
    )


def _draw_reload(chance: random.Random) -> Moment | None:
    return Moment("text-delta", chance.randrange(1, 20)) if chance.random() < 0.15 else None


def _draw_fault(chance: random.Random, kind: FaultKind, questions: tuple[Question, ...]) -> Fault:
    victims = [index for index, each in enumerate(questions) if not each.waits_for_fault]
    if kind in _TAKEOVERS and chance.random() < 0.9:
        victims = [index for index in victims if "charge" in questions[index].tools] or victims
    victim = chance.choice(victims) if victims else 0
    question = questions[victim]
    moments = [
        Moment("start"),
        Moment("text-delta", chance.randrange(1, question.before + question.after)),
        Moment("text-delta", chance.randrange(1, question.before + question.after)),
        Moment("finish"),
    ]
    if question.tools:
        moments += [
            Moment("tool-input-available"),
            Moment("tool-input-available"),
            Moment("tool-output-available"),
        ]
    if question.waits:
        moments += [Moment("finish"), Moment("finish")]
    if kind in _TAKEOVERS and "charge" in question.tools:
        moments += [Moment("tool-input-available")] * 8  # the tool runs then
    return Fault(
        kind,
        victim,
        chance.choice(moments),
        hits_owner=chance.random() < 0.85,
        seconds=chance.choice(_DECK[kind][1]),
    )
