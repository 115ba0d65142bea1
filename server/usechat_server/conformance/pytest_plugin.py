"""A pytest plugin: each scenario is a test of your backend.

# conftest.py
pytest_plugins = ["usechat_server.conformance.pytest_plugin"]

# test_chat.py
@pytest.fixture
def chat_url() -> str:
    return "http://127.0.0.1:8000/api/chat"

def test_conformance(conformance):
    conformance.check()
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from ui_message_stream.versions import ClientVersion

from usechat_server.conformance.exchange import HttpBackend
from usechat_server.conformance.results import Result
from usechat_server.conformance.scenarios import SCENARIOS, Scenario
from usechat_server.conformance.suite import run_scenario

__all__ = ["Conformance", "chat_headers", "conformance", "pytest_generate_tests"]


@dataclass(frozen=True)
class Conformance:
    """A scenario, and the backend that is tested.

    Attributes:
        scenario: The scenario.
        backend: The backend.
    """

    scenario: Scenario
    backend: HttpBackend

    def check(
        self, *, client_version: str = "5.0.92", silence: float = 20.0, strict: bool = False
    ) -> Result:
        """Run the scenario: the test fails if the backend breaks a rule.

        The test is skipped if the backend does not show what the scenario is about.

        Args:
            client_version: The oldest release of `ai` among your clients.
            silence: Seconds of silence in the scenario about it.
            strict: Whether warnings fail too: what a backend SHOULD do.

        Returns:
            The result.
        """
        __tracebackhide__ = True
        oldest = ClientVersion.parse(client_version)
        result, _ = run_scenario(self.scenario, self.backend, oldest, silence=silence)
        if result.status == "failed" or (strict and result.problems):
            pytest.fail("\n".join(map(str, result.problems)), pytrace=False)
        if result.unjudged:
            pytest.skip(result.unjudged)
        return result


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test with the fixture `conformance` once for each scenario."""
    if "conformance" in metafunc.fixturenames:
        scenarios = list(SCENARIOS.values())
        names = [scenario.name for scenario in scenarios]
        metafunc.parametrize("conformance", scenarios, ids=names, indirect=True)


@pytest.fixture
def chat_headers() -> Mapping[str, str]:
    """The headers of every request. Override it to sign in."""
    return {}


@pytest.fixture
def conformance(
    request: pytest.FixtureRequest, chat_url: str, chat_headers: Mapping[str, str]
) -> Conformance:
    """A scenario, on the backend at the URL of your fixture `chat_url`."""
    return Conformance(request.param, HttpBackend(chat_url, chat_headers, timeout=60.0))
