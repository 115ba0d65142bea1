"""What holds for every test: one kind of event loop, and in CI no skips and no chance."""

from __future__ import annotations

import os
from collections.abc import Generator

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
