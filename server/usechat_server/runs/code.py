"""An app's own code as the answer to a turn."""

from __future__ import annotations

from contextvars import ContextVar
from weakref import WeakSet

from ui_message_stream.chunks import FinishReason

from usechat_server.agent import Agent
from usechat_server.approvals import Approvals
from usechat_server.compose import AnswerFunction, StreamWriter
from usechat_server.loop.run_writer import Output
from usechat_server.loop.usage_tracker import Accounts
from usechat_server.results import MetadataHook

__all__ = ["CodeAnswer", "running"]


class CodeAnswer:
    """Answers one turn with a function (see Answering). The agents that it streams belong to the
    run: they ask for approval by `approvals`, and their calls are counted."""

    def __init__(
        self, answer: AnswerFunction, approvals: Approvals, agents: WeakSet[Agent]
    ) -> None:
        """`agents` gets those that it streams."""
        self.name = getattr(answer, "__name__", type(answer).__name__)
        #: the last streamed agent's
        self.metadata: MetadataHook | None = None
        self.approvals = approvals
        self.agents = agents
        #: the open calls of the continued message that one of them has dealt with
        self.taken: set[str] = set()
        #: the run's, from its start on
        self.accounts: Accounts | None = None
        self._answer = answer

    async def answer(self, output: Output, accounts: Accounts) -> FinishReason | None:
        self.accounts = accounts
        _running.set(self)  # for this task, the run's own, and those that it begins
        writer = StreamWriter(output.append, output.turn.floor)
        await self._answer(output.turn, writer)
        return writer.finish_reason

    async def aclose(self) -> None:
        pass


_running: ContextVar[CodeAnswer | None] = ContextVar("running", default=None)


def running() -> CodeAnswer | None:
    """The plain code that runs here; None: this is outside of a run."""
    return _running.get()
