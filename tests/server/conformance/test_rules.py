"""Every rule is broken by its example, and no other rule is."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream import checker
from ui_message_stream.grammar import RULES as GRAMMAR_RULES
from usechat_server.conformance import RULES, Rule, check_stream
from usechat_server.conformance.example_events import BLOCK, DONE, FINISH, STEP, STEP_END
from usechat_server.conformance.exchange import CannedBackend
from usechat_server.conformance.rules import BackendExample, StreamExample
from usechat_server.conformance.scenarios import SCENARIOS
from usechat_server.conformance.suite import run_scenario

from tests.harness.conformance_page import PAGE, render

STREAM_RULES = [rule for rule in RULES.values() if isinstance(rule.example, StreamExample)]
BACKEND_RULES = [rule for rule in RULES.values() if isinstance(rule.example, BackendExample)]


@pytest.mark.parametrize("rule", STREAM_RULES, ids=lambda rule: rule.id)
def test_the_example_of_a_rule_breaks_it_and_no_other(rule: Rule) -> None:
    example = rule.example
    assert isinstance(example, StreamExample)
    problems = check_stream(example.body, example.client_version, message=example.message)
    assert {problem.rule for problem in problems} == {rule.id, *rule.implies}
    assert [problem.severity for problem in problems if problem.rule == rule.id] == [rule.severity]


@pytest.mark.parametrize("rule", BACKEND_RULES, ids=lambda rule: rule.id)
def test_the_responses_of_a_rule_break_it_and_no_other(rule: Rule) -> None:
    example = rule.example
    assert isinstance(example, BackendExample)
    backend = CannedBackend(example.responses)
    result, _ = run_scenario(SCENARIOS[example.scenario], backend)
    assert {problem.rule for problem in result.problems} == {rule.id}
    assert {problem.severity for problem in result.problems} == {rule.severity}


@pytest.mark.parametrize(
    "events",
    [
        [STEP, *BLOCK, STEP_END, FINISH, DONE],
        [{"type": "error", "errorText": "Failed."}, DONE],
    ],
)
def test_a_response_without_start_is_only_a_warning(events: list[Any]) -> None:
    [problem] = check_stream(StreamExample.of(*events).body)
    assert (problem.rule, problem.severity) == ("start-first", "warning")


@pytest.mark.parametrize(
    ("pings", "text", "is_kept"),
    [
        ([], 2.5, True),
        ([], 10.1, True),
        ([], 16.5, True),
        ([15.1, 30.2], 40.0, True),
        ([], 20.0, False),
        ([1.0], 20.0, False),
        ([30.0], 45.0, False),
    ],
)
def test_a_backend_that_pings_every_15_seconds_is_not_silent(
    pings: list[float], text: float, is_kept: bool
) -> None:
    example = RULES["keep-alive"].example
    assert isinstance(example, BackendExample)
    [response] = example.responses
    body = [*((at, b": ping\n\n") for at in pings), (text, response.body[0][1])]
    backend = CannedBackend((replace(response, body=tuple(body)),))
    result, _ = run_scenario(SCENARIOS["silence"], backend)
    assert [problem.rule for problem in result.problems] == ([] if is_kept else ["keep-alive"])


def test_every_rule_of_the_checker_is_a_rule() -> None:
    source = Path(checker.__file__).read_text()
    names = set(re.findall(r'_add_finding\(\s*"([a-z0-9-]+)"', source)) | GRAMMAR_RULES.keys()
    assert names == {rule.id for rule in STREAM_RULES}


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_a_rule_says_what_a_backend_must_do(rule: Rule) -> None:
    assert re.search(r"\b(MUST|SHOULD)\b", rule.sentence)
    assert rule.sentence.endswith(".")
    assert rule.effect.endswith(".")


def test_the_page_has_the_tables_of_the_code() -> None:
    """After a change: `python tests/harness/conformance_page.py` writes the tables."""
    page = PAGE.read_text()
    assert render(page) == page
