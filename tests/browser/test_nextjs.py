"""The Next.js app of web-demo/nextjs, built and started, in a real Chromium.

It reaches the server in each way that its README shows. In each the provider says a piece only
after the page shows the one before, so that whatever buffers makes the test time out.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.harness.fake_provider import FakeProvider, Pause, Reply, http_error, message, text
from tests.harness.node import NEXTJS, NodeUnavailable, install
from tests.harness.serving import serve
from tests.proxies.test_nginx import NGINX, nginx

NEXT = NEXTJS / "node_modules" / ".bin" / "next"
#: Seconds.
START = 60


@dataclass
class Site:
    url: str
    #: in front of the site
    nginx: str
    provider: FakeProvider


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    if shutil.which("node") is None:
        pytest.skip("needs Node: it is not installed")
    if NGINX is None:
        pytest.skip("needs nginx: it is not installed")
    try:
        install(NEXTJS)
    except NodeUnavailable as error:
        pytest.skip(f"needs npm: {error}")
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with FakeProvider() as provider:
        env = {
            "ANTHROPIC_BASE_URL": provider.url,
            "ANTHROPIC_API_KEY": "any",
            "USECHAT_ALLOWED_ORIGINS": url,
        }
        folder = tmp_path_factory.mktemp("nginx")
        with (
            serve("tests.proxies.chat_app:app", env=env) as server,
            started(server.url, port),
            nginx(url, folder, extra="client_max_body_size 32m;") as front,
        ):
            yield Site(url, front, provider)


@contextmanager
def started(server: str, port: int) -> Iterator[None]:
    """The app, built for a server, until the block ends."""
    env = {
        **os.environ,
        "USECHAT_URL": server,
        "NEXT_PUBLIC_USECHAT_URL": server,
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    built = subprocess.run(
        [NEXT, "build"], cwd=NEXTJS, env=env, capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stdout + built.stderr
    process = subprocess.Popen(
        [NEXT, "start", "--hostname", "127.0.0.1", "--port", str(port)],
        cwd=NEXTJS,
        env=env,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START
        while True:
            assert process.poll() is None, "next start ended"
            with socket.socket() as client:
                if not client.connect_ex(("127.0.0.1", port)):
                    break
            assert time.monotonic() < deadline, "next start does not listen"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=["rewrites", "cross-origin", "nginx"])
def page(request: pytest.FixtureRequest, site: Site, browser: Browser) -> Iterator[Page]:
    """The chat, opened in one of the ways. Its console stays empty."""
    url = {
        "rewrites": site.url,
        "cross-origin": f"{site.url}/cross-origin",
        "nginx": site.nginx,
    }[request.param]
    with browser.new_context() as context:
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.goto(url)
        yield page
        assert complaints == []


def ask(page: Page, question: str) -> None:
    page.get_by_label("Message").fill(question)
    page.get_by_label("Message").press("Enter")


def test_each_piece_is_shown_as_it_is_said(page: Page, site: Site) -> None:
    words = ["one ", "two ", "three"]
    said = message(text(*words))
    deltas = [i for i, event in enumerate(said) if "content_block_delta" in str(event)]
    for index in reversed(deltas):
        said.insert(index + 1, Pause())
    site.provider.script(Reply(said))
    ask(page, "Count")
    answer = page.locator("[data-role=assistant]")
    for index in range(len(words)):
        expect(answer).to_have_text(f"assistant: {''.join(words[: index + 1]).strip()}")
        site.provider.release()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_stop_ends_the_providers_call(page: Page, site: Site) -> None:
    asked = len(site.provider.requests)
    site.provider.script(Reply(message(text("one"))[:3], then="hang"))
    ask(page, "Count")
    expect(page.locator("[data-role=assistant]")).to_have_text("assistant: one")
    page.get_by_role("button", name="Stop").click()
    assert site.provider.request(asked).closed.wait(20), "the provider still waits"
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_a_refusal_is_shown_as_a_sentence(page: Page, site: Site) -> None:
    site.provider.script(http_error(401, "authentication_error", "invalid x-api-key"))
    ask(page, "Count")
    expect(page.get_by_role("alert").first).to_contain_text("not set up correctly")


def test_a_body_of_12_mb_arrives_through_rewrites(site: Site) -> None:
    site.provider.script(Reply(message(text("all of it"))))
    part = {"type": "text", "text": "x" * 12_000_000}
    body = {"id": "c", "messages": [{"id": "u", "role": "user", "parts": [part]}]}
    answer = httpx.post(f"{site.url}/api/chat", json=body, timeout=60)
    assert answer.status_code == 200
    assert "all of it" in answer.text
