"""What holds for every test: one kind of event loop, and in CI no skips and no chance."""

from __future__ import annotations

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

#: `.ci/run` sets it.
IN_CI = os.environ.get("USECHAT_NO_SKIPS") == "1"

# How long an example takes says more about the machine than about the code. In CI the examples are
# the same in every run, so that no change fails by chance; elsewhere they are new ones each time,
# and a failure is printed with the line that repeats it.
settings.register_profile(
    "usechat",
    deadline=None,
    derandomize=IN_CI,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("usechat")


#: What `--fast` leaves out: tests that start browsers, databases, npm packages or other processes.
#: Paths below this folder.
SLOW = (
    "browser",
    "clients",
    "compatibility",
    "faults",
    "hosts",
    "proxies",
    "server/conformance/test_backends.py",
    "server/conformance/test_npm_clients.py",
    "server/conformance/test_pytest_plugin.py",
    "server/coordination",
    "server/http/routes/test_chats.py",
    "server/mcp",
    "server/serving",
    "server/store",
    "server/telemetry",
    "server/approvals/test_real_clients.py",
    "server/providers/test_sdk_stream.py",
    "server/providers/anthropic/test_differential.py",
    "server/runs/test_memory.py",
    "server/runs/test_persistence.py",
    "server/runs/test_resume_on_hosts.py",
    "server/test_cli.py",
    "server/test_mount.py",
    "test_calls_per_delta.py",
    "test_docs.py",
    "test_readme.py",
)
#: Fixtures that start Node.
_NODE_FIXTURES = frozenset({"reader", "node"})


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--fast", action="store_true", help="leave out slow and property tests")
    parser.addoption(
        "--portable", action="store_true", help="leave out browsers, Next.js and PostgreSQL"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for option, is_left_out in (("--fast", _is_slow), ("--portable", _needs_much)):
        if config.getoption(option):
            config.hook.pytest_deselected(items=[item for item in items if is_left_out(item)])
            items[:] = [item for item in items if not is_left_out(item)]


def _needs_much(item: pytest.Item) -> bool:
    """Whether a test needs a browser, Next.js (which is tested in one) or PostgreSQL."""
    return (
        "browser" in item.path.relative_to(Path(__file__).parent).parts
        or "postgres" in getattr(item, "fixturenames", ())
        or "[postgresql" in item.nodeid
    )


def _is_slow(item: pytest.Item) -> bool:
    path = item.path.relative_to(Path(__file__).parent).as_posix()
    function = getattr(item, "obj", None)
    return (
        path.startswith(SLOW)
        or not _NODE_FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
        or getattr(function, "is_hypothesis_test", False)
    )


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With USECHAT_NO_SKIPS=1 a skipped test is a failed one."""
    report = yield
    if report.skipped and IN_CI:
        report.outcome = "failed"
        report.longrepr = f"skipped, which USECHAT_NO_SKIPS=1 forbids: {report.longrepr}"
    return report
