"""What holds for every test: one kind of event loop, no silent skips where they are forbidden."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With USECHAT_NO_SKIPS=1 (set by `.ci/run`) a skipped test is a failed one."""
    report = yield
    if report.skipped and os.environ.get("USECHAT_NO_SKIPS") == "1":
        report.outcome = "failed"
        report.longrepr = f"skipped, which USECHAT_NO_SKIPS=1 forbids: {report.longrepr}"
    return report
