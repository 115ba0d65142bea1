"""`usechat-server check URL`: this server passes every scenario; others as far as they go."""

from __future__ import annotations

import json
from typing import Any

import pytest
from usechat_server import Agent, create_app
from usechat_server.conformance.scenarios import SCENARIOS

from tests.harness.conformance_model import conformance_model
from tests.harness.live import LiveServer, ScriptedModel, text
from tests.server.conformance.backend import conformance_app
from tests.server.conformance.test_command import check


def results(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    report = json.loads(capsys.readouterr().out)
    return {result["name"]: result for result in report["results"]}


def test_this_server_passes_every_scenario(capsys: pytest.CaptureFixture[str]) -> None:
    with (
        conformance_model(pace=0.07) as provider,
        LiveServer(conformance_app(provider.url, keep_alive=0.3)) as server,
    ):
        url = f"{server.url}/api/chat"
        assert check(url, "--format", "json", "--silence", "2.5", "--strict") == 0
    by_name = results(capsys)
    assert by_name.keys() == SCENARIOS.keys()
    assert {result["status"] for result in by_name.values()} == {"passed"}


def test_a_backend_that_offers_nothing_is_told_what_was_not_judged(
    capsys: pytest.CaptureFixture[str],
) -> None:
    # What the user says is in the text, as in that of many models.
    echo = ScriptedModel(*text("You said: conformance: cut"))
    with LiveServer(create_app(Agent(echo))) as server:
        assert check(f"{server.url}/api/chat", "--format", "json") == 0
    by_name = results(capsys)
    judged = {name for name, result in by_name.items() if result["status"] == "passed"}
    assert judged >= {"text", "headers", "regenerate", "edit", "hostile-bodies", "newest-clients"}
    assert by_name["approval"]["status"] == "not judged"
    assert "no approval request" in by_name["approval"]["unjudged"]


def test_headers_and_scenarios_can_be_chosen(capsys: pytest.CaptureFixture[str]) -> None:
    async def user(request: Any) -> str:
        return str(request.headers["x-user"])

    with LiveServer(create_app(Agent(ScriptedModel()), user=user)) as server:
        options = ["--scenario", "text", "--header", "X-User: ann", "--format", "json"]
        assert check(f"{server.url}/api/chat", *options) == 0
    assert results(capsys).keys() == {"text"}


def test_a_url_that_is_no_backend_fails(capsys: pytest.CaptureFixture[str]) -> None:
    with LiveServer(create_app(Agent(ScriptedModel()))) as server:
        assert check(f"{server.url}/healthz", "--scenario", "text", "--format", "json") == 1
    [problem] = results(capsys)["text"]["problems"]
    assert problem["rule"] == "accept-request"
    assert "405" in problem["text"]
