"""Shutdown: after the first signal responses may finish, the second one ends the process."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from usechat_server import Agent, create_app

from tests.harness.common import DEADLINE
from tests.harness.live import LiveServer, ScriptedModel, chunks, user
from tests.harness.serving import Host, ServerProcess, serve


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


class StreamedResponse:
    """A response that has begun; `text` is what was received so far."""

    def __init__(self, response: httpx.Response) -> None:
        self.text = ""
        self._pieces = response.iter_text()
        while ' there"' not in self.text:
            self.text += next(self._pieces)

    def read_rest(self) -> str:
        return self.text + "".join(self._pieces)


@contextmanager
def streaming(
    client: httpx.Client, url: str, headers: dict[str, str] | None = None
) -> Iterator[StreamedResponse]:
    body = {"id": "c1", "messages": [user("Hello")]}
    with client.stream("POST", url, json=body, headers=headers) as response:
        assert response.status_code == 200
        yield StreamedResponse(response)


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False, timeout=DEADLINE) as client:
        yield client


def is_draining(client: httpx.Client, served: ServerProcess) -> bool:
    return client.get(f"{served.url}/ai/readyz").status_code == 503


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_active_runs_may_finish(client: httpx.Client, sent: signal.Signals) -> None:
    with serve("tests.harness.apps:held", "usechat") as served:
        with streaming(client, f"{served.url}/ai/api/chat") as response:
            assert client.get(f"{served.url}/ai/readyz").status_code == 200
            served.process.send_signal(sent)
            wait_until(lambda: is_draining(client, served))
            assert client.get(f"{served.url}/ai/healthz").status_code == 200
            refused = client.post(f"{served.url}/ai/api/chat", json={"messages": [user("Hi")]})
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) > 0
            assert refused.text == "The server is restarting. Please try again in a moment."
            assert served.process.poll() is None
            client.post(f"{served.url}/release")
            assert chunks(response.read_rest())[-1] == {"type": "finish"}
        assert served.process.wait(DEADLINE) == 0
        assert "Traceback" not in served.output


def test_responses_of_own_routes_may_finish(client: httpx.Client) -> None:
    with serve("tests.harness.apps:held", "usechat") as served:
        with streaming(client, f"{served.url}/own") as response:
            served.process.send_signal(signal.SIGTERM)
            wait_until(lambda: is_draining(client, served))
            client.post(f"{served.url}/release")
            assert chunks(response.read_rest())[-1]["type"] == "finish"
        assert served.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("host", ["usechat", "uvicorn"])
@pytest.mark.parametrize(
    ("path", "client_version", "end"),
    [
        ("own", "7.0.173", {"type": "error"}),
        ("ai/api/chat", "5.0.92", {"type": "error"}),
        ("ai/api/chat", "7.0.173", {"type": "finish", "finishReason": "interrupted"}),
    ],
)
def test_streams_get_a_legal_end_after_the_grace(
    client: httpx.Client, host: Host, path: str, client_version: str, end: dict[str, str]
) -> None:
    env = {"USECHAT_DRAIN_GRACE": "0.3"}
    args = ("--timeout-graceful-shutdown", "1") if host == "uvicorn" else ()
    with serve("tests.harness.apps:held", host, env=env, args=args) as served:
        with streaming(
            client, f"{served.url}/{path}", {"x-usechat-client": client_version}
        ) as response:
            served.process.send_signal(signal.SIGTERM)
            sent = chunks(response.read_rest())
        assert sent[-1].items() >= end.items()
        assert "text-end" in {chunk["type"] for chunk in sent}
        assert served.process.wait(DEADLINE) in (0, -signal.SIGTERM)


def test_the_second_signal_ends_the_process_at_once(client: httpx.Client) -> None:
    with (
        serve("tests.harness.apps:held", "usechat", env={"USECHAT_DRAIN_GRACE": "600"}) as served,
        streaming(client, f"{served.url}/ai/api/chat") as response,
    ):
        served.process.send_signal(signal.SIGTERM)
        wait_until(lambda: is_draining(client, served))
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(DEADLINE) == -signal.SIGTERM
        with pytest.raises(httpx.RemoteProtocolError):
            response.read_rest()


def test_an_idle_server_ends_at_once(client: httpx.Client) -> None:
    with serve("tests.harness.apps:agent", "usechat", env={"USECHAT_DRAIN_GRACE": "600"}) as served:
        assert client.get(f"{served.url}/healthz").status_code == 200
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(DEADLINE) == 0


def test_under_another_server_the_app_drains_itself(client: httpx.Client) -> None:
    chat = create_app(Agent(ScriptedModel(hold=True)))
    drained = asyncio.Event()

    async def drain(request: Request) -> Response:
        await chat.drain(0)
        drained.set()
        return Response()

    app = Starlette(routes=[Route("/drain", drain, methods=["POST"]), Mount("/", chat)])
    with LiveServer(app) as server:
        with streaming(client, f"{server.url}/api/chat") as response:
            client.post(f"{server.url}/drain")
            assert drained.is_set()
            assert chunks(response.read_rest())[-1]["type"] == "error"
        assert client.get(f"{server.url}/readyz").status_code == 503
