"""The conformance suite for backends of `useChat`, in any language: `usechat-server check`."""

from usechat_server.conformance.catalog import RULES
from usechat_server.conformance.exchange import HttpBackend
from usechat_server.conformance.results import Problem, Result
from usechat_server.conformance.rules import Rule
from usechat_server.conformance.scenarios import SCENARIOS, Scenario
from usechat_server.conformance.streams import check_stream
from usechat_server.conformance.suite import run_scenario

__all__ = [
    "RULES",
    "SCENARIOS",
    "HttpBackend",
    "Problem",
    "Result",
    "Rule",
    "Scenario",
    "check_stream",
    "run_scenario",
]
