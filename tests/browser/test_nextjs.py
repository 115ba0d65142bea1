"""The Next.js app of web-demo/nextjs, built and started, in a real Chromium.

Tests each deployment that its README describes. The provider sends each token only after the
browser shows the one before, so anything that buffers makes the test time out.
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
#: Maximum seconds until `next start` accepts connections.
START_TIMEOUT = 60


@dataclass
class Site:
    url: str
    #: the URL of nginx in front of the site
    nginx_url: str
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
        directory = tmp_path_factory.mktemp("nginx")
        with (
            serve("tests.proxies.chat_app:app", env=env) as server,
            serve_nextjs(server.url, port),
            nginx(url, directory, extra="client_max_body_size 32m;") as nginx_url,
        ):
            yield Site(url, nginx_url, provider)


@contextmanager
def serve_nextjs(server_url: str, port: int) -> Iterator[None]:
    """Build the Next.js app for a server and serve it until the block ends."""
    env = {
        **os.environ,
        "USECHAT_URL": server_url,
        "NEXT_PUBLIC_USECHAT_URL": server_url,
        "NEXT_TELEMETRY_DISABLED": "1",
    }
    build = subprocess.run(
        [NEXT, "build"], cwd=NEXTJS, env=env, capture_output=True, text=True, check=False
    )
    assert build.returncode == 0, build.stdout + build.stderr
    process = subprocess.Popen(
        [NEXT, "start", "--hostname", "127.0.0.1", "--port", str(port)],
        cwd=NEXTJS,
        env=env,
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + START_TIMEOUT
        while True:
            assert process.poll() is None, "next start exited"
            with socket.socket() as client:
                if not client.connect_ex(("127.0.0.1", port)):
                    break
            assert time.monotonic() < deadline, "next start does not accept connections"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(params=["rewrites", "cross-origin", "nginx"])
def page(request: pytest.FixtureRequest, site: Site, browser: Browser) -> Iterator[Page]:
    """The chat in one of the deployments. Fails the test if the page logs anything."""
    url = {
        "rewrites": site.url,
        "cross-origin": f"{site.url}/cross-origin",
        "nginx": site.nginx_url,
    }[request.param]
    with browser.new_context() as context:
        page = context.new_page()
        console: list[str] = []
        page.on("console", lambda entry: console.append(f"{entry.type}: {entry.text}"))
        page.on("pageerror", lambda error: console.append(str(error)))
        page.goto(url)
        yield page
        assert console == []


def send_message(page: Page, message_text: str) -> None:
    page.get_by_label("Message").fill(message_text)
    page.get_by_label("Message").press("Enter")


def test_each_token_is_shown_as_it_arrives(page: Page, site: Site) -> None:
    tokens = ["one ", "two ", "three"]
    events = message(text(*tokens))
    deltas = [index for index, event in enumerate(events) if "content_block_delta" in str(event)]
    for index in reversed(deltas):
        events.insert(index + 1, Pause())
    site.provider.script(Reply(events))
    send_message(page, "Count")
    response = page.locator("[data-role=assistant]")
    for count in range(1, len(tokens) + 1):
        expect(response).to_have_text(f"assistant: {''.join(tokens[:count]).strip()}")
        site.provider.release()
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_stop_closes_the_connection_to_the_provider(page: Page, site: Site) -> None:
    request_number = len(site.provider.requests)
    site.provider.script(Reply(message(text("one"))[:3], then="hang"))
    send_message(page, "Count")
    expect(page.locator("[data-role=assistant]")).to_have_text("assistant: one")
    page.get_by_role("button", name="Stop").click()
    assert site.provider.request(request_number).closed.wait(20), "the connection is open"
    expect(page.get_by_role("button", name="Send")).to_be_visible()


def test_an_error_is_shown(page: Page, site: Site) -> None:
    refusal = http_error(401, "authentication_error", "invalid x-api-key")
    site.provider.script(refusal, refusal)  # what is refused is asked for once more
    send_message(page, "Count")
    expect(page.get_by_role("alert").first).to_contain_text("not set up correctly")


def test_rewrites_forward_a_request_body_of_12_mb(site: Site) -> None:
    site.provider.script(Reply(message(text("all of it"))))
    part = {"type": "text", "text": "x" * 12_000_000}
    body = {"id": "c", "messages": [{"id": "u", "role": "user", "parts": [part]}]}
    response = httpx.post(f"{site.url}/api/chat", json=body, timeout=60)
    assert response.status_code == 200
    assert "all of it" in response.text
