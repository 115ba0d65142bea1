"""The server behind a real nginx with its defaults: HTTP/1.0 upstream, buffering on, gzip on.

Every row is decided by what arrives when: the provider says a piece only after the client has the
one before, so a proxy or server that buffers makes the test time out.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.harness.fake_provider import FakeProvider, Pause, Reply, message, text
from tests.harness.serving import ServerProcess, serve

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
pytestmark = pytest.mark.skipif(NGINX is None, reason="nginx is not installed")

CONFIG = """
daemon off; master_process off; pid {folder}/pid; error_log stderr warn;
events {{}}
http {{
    access_log off;
    gzip on; gzip_types text/event-stream; gzip_min_length 1;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    server {{
        listen 127.0.0.1:{port};
        location / {{ proxy_pass {upstream}; proxy_set_header Host $host:$server_port; {extra} }}
    }}
}}
"""

BODY = {
    "id": "c",
    "trigger": "submit-message",
    "messages": [{"id": "u", "role": "user", "parts": [{"type": "text", "text": "Hi"}]}],
}


@contextmanager
def nginx(upstream: str, folder: Path, extra: str = "") -> Iterator[str]:
    """Run nginx in front of a server until the block ends. Yields its URL."""
    assert NGINX is not None
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    config = folder / "nginx.conf"
    config.write_text(CONFIG.format(folder=folder, port=port, upstream=upstream, extra=extra))
    process = subprocess.Popen([NGINX, "-c", config, "-p", folder, "-e", "stderr"])
    try:
        deadline = time.monotonic() + 20
        while True:
            assert process.poll() is None, "nginx ended"
            with socket.socket() as client:
                if not client.connect_ex(("127.0.0.1", port)):
                    break
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


@pytest.fixture(name="provider", scope="module")
def fake_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        yield provider


@pytest.fixture(name="served", scope="module")
def chat_server(provider: FakeProvider) -> Iterator[ServerProcess]:
    env = {
        "ANTHROPIC_BASE_URL": provider.url,
        "ANTHROPIC_API_KEY": "any",
        "USECHAT_KEEP_ALIVE": "0.2",
    }
    with serve("tests.proxies.chat_app:app", env=env) as served:
        yield served


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
def test_each_delta_passes_at_once(
    provider: FakeProvider, served: ServerProcess, tmp_path: Path, encoding: str
) -> None:
    words = ["one ", "two ", "three"]
    events = message(text(*words))
    deltas = [i for i, event in enumerate(events) if "content_block_delta" in str(event)]
    for index in reversed(deltas):
        events.insert(index + 1, Pause())
    provider.script(Reply(events))

    with (
        nginx(served.url, tmp_path) as url,
        httpx.stream(
            "POST", f"{url}/api/chat", json=BODY, headers={"accept-encoding": encoding}, timeout=20
        ) as response,
    ):
        assert response.headers["x-vercel-ai-ui-message-stream"] == "v1"
        seen = ""
        waiting_for = list(words)
        for piece in response.iter_text():
            seen += piece
            while waiting_for and waiting_for[0].strip() in seen:
                waiting_for.pop(0)
                provider.release()
    assert not waiting_for
    assert seen.rstrip().endswith("data: [DONE]")


def test_a_client_that_leaves_ends_the_call_of_the_provider(
    provider: FakeProvider, served: ServerProcess, tmp_path: Path
) -> None:
    requests_before = len(provider.requests)
    provider.script(Reply(message(text("one"))[:3], then="hang"))
    with nginx(served.url, tmp_path) as url:
        with httpx.stream("POST", f"{url}/api/chat", json=BODY, timeout=20) as response:
            for piece in response.iter_text():
                if "one" in piece:
                    break
        assert provider.request(requests_before).closed.wait(20), "the provider still waits"


def test_keep_alive_comments_prevent_the_read_timeout(
    provider: FakeProvider, served: ServerProcess, tmp_path: Path
) -> None:
    events = message(text("at last"))
    provider.script(Reply([Pause(), *events]))
    with (
        nginx(served.url, tmp_path, extra="proxy_read_timeout 1s;") as url,
        httpx.stream("POST", f"{url}/api/chat", json=BODY, timeout=20) as response,
    ):
        seen = ""
        silent_since = time.monotonic()
        released = False
        for piece in response.iter_text():
            seen += piece
            if not released and time.monotonic() - silent_since > 2:
                released = True
                provider.release()
    assert "at last" in seen
    assert seen.rstrip().endswith("data: [DONE]")


def test_a_forwarded_request_of_the_same_origin_is_allowed(
    provider: FakeProvider, served: ServerProcess, tmp_path: Path
) -> None:
    requests_before = len(provider.requests)
    provider.script(Reply(message(text("hello"))))
    with nginx(served.url, tmp_path) as url:
        same = httpx.post(f"{url}/api/chat", json=BODY, headers={"origin": url}, timeout=20)
        foreign = httpx.post(
            f"{url}/api/chat", json=BODY, headers={"origin": "https://evil.example"}, timeout=20
        )
    assert same.status_code == 200
    assert foreign.status_code == 403
    assert len(provider.requests) == requests_before + 1


@pytest.fixture(name="usechat_served", scope="module")
def usechat_server(provider: FakeProvider) -> Iterator[ServerProcess]:
    env = {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "any"}
    with serve("tests.proxies.chat_app:app", "usechat", env=env) as served:
        yield served


@pytest.mark.parametrize("server", ["served", "usechat_served"])
@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_a_text_that_breaks_off_does_not_look_complete(
    provider: FakeProvider,
    tmp_path: Path,
    server: str,
    version: str,
    request: pytest.FixtureRequest,
) -> None:
    """In HTTP/1.0, a response has no other end than that of its connection."""
    served: ServerProcess = request.getfixturevalue(server)
    provider.script(Reply([*message(text("Hello"))[:-3], Pause()], then="reset"))
    received = ""
    with (
        nginx(served.url, tmp_path, extra=f"proxy_http_version {version};") as url,
        httpx.stream("POST", f"{url}/api/text", json=BODY, timeout=20) as response,
    ):
        assert response.headers["content-type"] == "text/plain; charset=utf-8"
        try:
            for piece in response.iter_text():
                received += piece
                provider.release()
        except httpx.RemoteProtocolError:
            pass
        else:
            pytest.fail("the response looks complete")
    assert received == "Hello"


def test_events_without_comments_pass_at_once(
    provider: FakeProvider, served: ServerProcess, tmp_path: Path
) -> None:
    provider.script(Reply([Pause(), *message(text("at last"))]))
    received = ""
    with (
        nginx(served.url, tmp_path, extra="proxy_read_timeout 1s;") as url,
        httpx.stream("POST", f"{url}/api/sse", json={"message": "Hi"}, timeout=20) as response,
    ):
        for piece in response.iter_text():
            received += piece
            if received.endswith("\n\n" * 8):  # longer than nginx waits for a silent server
                provider.release()
    assert "at last" in received
    assert received.endswith("data: [DONE]\n\n")
    assert "\n:" not in received
