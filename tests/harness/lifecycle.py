"""Start runs as the chat route does, without HTTP."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from weakref import WeakSet

from usechat_server.agent import Agent
from usechat_server.approvals import MemoryNonces, SignedApprovals
from usechat_server.compose import ChatHandler
from usechat_server.coordination.base import ChatKey
from usechat_server.coordination.lease import Lease
from usechat_server.coordination.subscription import LogSubscription
from usechat_server.http.run_response import run_response
from usechat_server.http.stream_response import StreamResponse
from usechat_server.loop.loop import AgentLoop
from usechat_server.providers.retry import RetryPolicy
from usechat_server.run_log.encoding import ui_message_stream
from usechat_server.run_log.log import Log
from usechat_server.runs import Runs
from usechat_server.runs.responder import HandlerResponder, Responder
from usechat_server.runs.run import Run
from usechat_server.turn import Turn

__all__ = ["StartedRun", "start_run"]


@dataclass
class StartedRun:
    """A run, and the log subscription of the POST that started it."""

    run: Run
    _subscription: LogSubscription
    _runs: Runs
    _key: ChatKey

    @property
    def log(self) -> Log:
        return self.run.log

    def stop(self) -> None:
        self.run.stop()

    def interrupt(self) -> None:
        self.run.interrupt()

    def response(self, *, keep_alive: float = 10.0, send_timeout: float = 30.0) -> StreamResponse:
        """Return the response of the POST."""
        return run_response(
            self._subscription,
            self._runs.coordinator,
            self._key,
            ui_message_stream(self.run.turn.client_version),
            keep_alive=keep_alive,
            send_timeout=send_timeout,
        )


async def start_run(
    runs: Runs, turn: Turn, agent: Agent | ChatHandler, retry: RetryPolicy | None = None
) -> StartedRun:
    """Start a run of an agent or a handler. Each has a chat of its own, whatever its `chat_id`."""
    key = ChatKey(turn.user, secrets.token_hex(8))

    async def begin(lease: Lease) -> tuple[Turn, Responder]:
        approvals = SignedApprovals(None, MemoryNonces())
        if not isinstance(agent, Agent):
            return turn, HandlerResponder(agent, approvals, WeakSet())
        stream = agent.spec.first_call(turn, approvals)
        return turn, AgentLoop(agent.spec, stream, approvals, retry=retry)

    subscription = await runs.start_or_join(key, "digest", begin)
    [run] = [run for run in runs.active_runs if run.id == subscription.run_id]
    return StartedRun(run, subscription, runs, key)
