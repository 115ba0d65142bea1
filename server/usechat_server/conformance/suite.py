"""Run scenarios against a backend."""

from __future__ import annotations

from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion

from usechat_server.conformance.conversation import Conversation, NotJudged
from usechat_server.conformance.exchange import Backend, BackendUnavailable
from usechat_server.conformance.recording import Recording
from usechat_server.conformance.results import Result
from usechat_server.conformance.scenarios import Scenario
from usechat_server.conformance.steps import take_step

__all__ = ["run_scenario"]


def run_scenario(
    scenario: Scenario,
    backend: Backend,
    client_version: ClientVersion | None = None,
    *,
    silence: float = 20.0,
) -> tuple[Result, list[Recording]]:
    """Run a scenario.

    Args:
        scenario: The scenario.
        backend: The backend.
        client_version: The oldest client that must be able to read its streams; 5.0.92 by default.
        silence: Seconds of silence in the scenario about it.

    Returns:
        The result, and the responses.
    """
    client_version = max(client_version or DEFAULT_CLIENT_VERSION, scenario.since)
    script = scenario.script.replace(" N", f" {silence:g}")
    chat = Conversation(backend, f"conformance: {script}", client_version)
    unjudged = ""
    try:
        for step in scenario.steps:
            take_step(chat, step)
    except (NotJudged, BackendUnavailable) as error:
        unjudged = str(error)
    return Result(scenario.name, tuple(chat.problems), unjudged), chat.recordings
