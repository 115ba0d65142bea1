"""The built page, from a real server with the demo model, in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from browser.chat_page import ChatPage
from harness.serving import Served, serve
from playwright.sync_api import Browser, expect, sync_playwright

#: Names under which systems install Chromium or Chrome.
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# A test machine may be busy with other tests.
expect.set_options(timeout=30_000)

PAGE = Path(__file__).parents[2] / "server" / "usechat_server" / "page" / "index.html"


# For one module, not the session: while Playwright is started, its event loop counts as this
# thread's running one, and asynchronous tests cannot start theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(NAMES)} is on the PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=[
                # A container's root user has no sandbox to run it in.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                # What a browser looks up by itself would be counted as the page's doing.
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Served]:
    if not PAGE.is_file():
        pytest.skip("needs the built page: make page")
    with serve(
        "usechat_server.demo:default_agent",
        "usechat",
        env={"USECHAT_PAGE": "true", "ANTHROPIC_API_KEY": ""},
    ) as served:
        yield served


@pytest.fixture
def chat(browser: Browser, server: Served) -> Iterator[ChatPage]:
    """The page, opened. In the end, nothing may have gone wrong in it or left this machine."""
    with ChatPage.open(browser, server.url, timezone="Asia/Tokyo") as chat:
        yield chat
        assert chat.complaints == []
        assert chat.foreign == []
