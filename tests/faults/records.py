"""The books of a fault test: each fault with its time and whom it touched, each turn with what each
tab was shown and what the store had, and when."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ui_message_stream.messages import UIMessage

from tests.faults.plan import App, Fault, Moment, Question
from tests.faults.tab import TabClient

__all__ = ["FaultRecord", "Sample", "Turn"]


@dataclass
class FaultRecord:
    """A fault that happened."""

    plan: Fault
    process: str
    #: whether it touched all turns of its time, not only those of one process
    is_global: bool
    began: float
    #: when it was over, and what it had broken was started again
    ended: float = 0.0

    def __str__(self) -> str:
        return f"{self.plan.kind}, {self.process} ({self.ended - self.began:.1f} s)"


@dataclass
class Sample:
    """What the store had at a time."""

    began: float
    ended: float
    text: str


@dataclass
class Turn:
    """A question, and all that is known about the response."""

    question: Question
    app: App
    tabs: list[TabClient] = field(default_factory=list)
    began: float = 0.0
    #: when the last tab had the response
    ended: float = 0.0
    #: (time, process) of each request to the model
    requests: list[tuple[float, str]] = field(default_factory=list)
    samples: list[Sample] = field(default_factory=list)
    #: the faults that may have touched it, and all others at the same time
    faults: list[FaultRecord] = field(default_factory=list)
    other_faults: list[FaultRecord] = field(default_factory=list)
    #: those that began when it was over
    later_faults: list[FaultRecord] = field(default_factory=list)
    #: the response in the store, in the end
    stored: UIMessage | None = None
    outcomes: list[str | None] = field(default_factory=list)
    #: the chat as each tab loads it in the end
    reloaded: list[Any] = field(default_factory=list)
    #: what followed: the next question
    hello: TabClient | None = None
    #: what went wrong while it was asked or read
    failure: str = ""
    #: how often each type of chunk was shown, at most in one tab
    received: Counter[str] = field(default_factory=Counter)
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def notify(self) -> None:
        """Wake what waits for a moment of the turn."""
        self.changed.set()
        self.changed = asyncio.Event()

    async def reached(self, moment: Moment) -> None:
        """Wait until a tab was shown a moment, or the turn is over."""
        while self.received[moment.chunk_type] < moment.count and not self.ended:
            await self.changed.wait()

    @property
    def owner(self) -> str:
        """The process that runs it, as far as is known."""
        return self.requests[-1][1] if self.requests else self.tabs[0].streams[0].process

    @property
    def processes(self) -> set[str]:
        """The processes that have run it."""
        posts = {
            stream.process for tab in self.tabs for stream in tab.streams if stream.method == "POST"
        }
        return posts | {process for _, process in self.requests}
