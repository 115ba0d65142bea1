"""Who answers a turn: an agent's loop, or an app's own code."""

from __future__ import annotations

from typing import Protocol

from ui_message_stream.chunks import FinishReason

from usechat_server.loop.run_writer import Output
from usechat_server.loop.usage_tracker import Accounts
from usechat_server.results import MetadataHook
from usechat_server.turn import Turn

__all__ = ["Answering", "Unanswered", "unanswered"]


class Answering(Protocol):
    """One answer to one turn, made for one run."""

    #: who answers, for the log line
    name: str
    #: what the page is told at the end; None: nothing
    metadata: MetadataHook | None

    async def answer(self, output: Output, accounts: Accounts) -> FinishReason | None:
        """Writes the answer. Why it is over; None: nothing is said of it.

        It is cancelled when the run ends before. Whatever it raises becomes an `error` chunk.
        """
        ...

    async def aclose(self) -> None:
        """Closes what the answer opened. Called once, after the log has its end, so that no reader
        waits for it and no cancellation cuts it."""
        ...


class Unanswered:
    """Stands for whoever could not be found to answer: the answer is the error."""

    name = "nobody"
    metadata: MetadataHook | None = None

    def __init__(self, error: Exception) -> None:
        self._error = error

    async def answer(self, output: Output, accounts: Accounts) -> FinishReason | None:
        raise self._error

    async def aclose(self) -> None:
        pass


async def unanswered(turn: Turn) -> Answering:
    """For runs that are never those of another process."""
    return Unanswered(LookupError("nobody answers a turn that another process began"))
