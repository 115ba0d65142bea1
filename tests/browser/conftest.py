"""The built page, from a real server with the demo model, in a real Chromium."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.browser.chat_page import ChatPage
from tests.harness.serving import SCRIPTS, Served, serve

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


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The demo at a model's pace, as `usechat-server serve` has it: with a store."""
    with stored("usechat_server.demo:default_agent", tmp_path_factory.mktemp("demo")) as served:
        yield served


@pytest.fixture(scope="session")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same at a pace at which nobody has to wait."""
    with stored("tests.browser.quick:agent", tmp_path_factory.mktemp("quick")) as served:
        yield served


@pytest.fixture(scope="module")
def server(demo: Served) -> Served:
    """What `chat` opens; a module may have the other one."""
    return demo


@contextmanager
def stored(agent: str, folder: Path) -> Iterator[Served]:
    store = f"sqlite:///{folder}/chats.db"
    subprocess.run([SCRIPTS / "usechat-server", "db", "upgrade", "--store", store], check=True)
    with served(agent, USECHAT_STORE=store) as server:
        yield server


def served(agent: str, **env: str) -> AbstractContextManager[Served]:
    if not PAGE.is_file():
        pytest.skip("needs the built page: make page")
    env = {"USECHAT_PAGE": "true", "ANTHROPIC_API_KEY": "", **env}
    return serve(agent, "usechat", env=env)


@pytest.fixture
def chat(browser: Browser, server: Served) -> Iterator[ChatPage]:
    """The page, opened by a person of its own. In the end, nothing may have gone wrong in it."""
    with ChatPage.open(
        browser,
        server.url,
        timezone="Asia/Tokyo",
        permissions=["clipboard-read", "clipboard-write"],
    ) as chat:
        yield chat
        chat.healthy()
