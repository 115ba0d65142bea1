"""Fixtures for tests of the demo page, served by a real server, in a real Chromium."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chat_page import ChatPage
from tests.browser.demo_server import serve_demo_with_store
from tests.harness.serving import ServerProcess

#: The names under which systems install Chromium or Chrome.
BROWSER_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")

# The machine may be busy with other tests.
expect.set_options(timeout=30_000)


# Per module instead of per session: while Playwright is running, its event loop counts as the
# running loop of this thread, and asynchronous tests cannot start theirs.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = next(filter(None, map(shutil.which, BROWSER_NAMES)), None)
    if path is None:
        pytest.skip(f"needs a browser: none of {', '.join(BROWSER_NAMES)} is on the PATH")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=path,
            args=[
                # The sandbox does not work for the root user of a container.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--no-first-run",
                # Requests of the browser itself would count as requests of the page.
                "--disable-background-networking",
                "--disable-component-update",
                "--disable-sync",
            ],
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The demo with a store, as `make run` serves it: at the pace of a real model."""
    directory = tmp_path_factory.mktemp("demo")
    with serve_demo_with_store("usechat_server.demo:default_agent", directory) as server:
        yield server


@pytest.fixture(scope="session")
def fast_demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The demo with a store and a faster model."""
    with serve_demo_with_store(
        "tests.browser.fast_agent:agent", tmp_path_factory.mktemp("fast")
    ) as server:
        yield server


@pytest.fixture(scope="module")
def server(demo_server: ServerProcess) -> ServerProcess:
    """The server that `chat` opens. A module may override it."""
    return demo_server


@pytest.fixture
def chat(browser: Browser, server: ServerProcess) -> Iterator[ChatPage]:
    """The demo page in a new browser context. Fails the test if the page logs an error."""
    with ChatPage.open(
        browser,
        server.url,
        timezone="Asia/Tokyo",
        permissions=["clipboard-read", "clipboard-write"],
    ) as chat:
        yield chat
        chat.assert_no_errors()
