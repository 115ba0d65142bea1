"""Servers of the apps in `apps.py`, and what a test asks them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.harness.common import DEADLINE
from tests.harness.live import chunks, user
from tests.harness.serving import Host, ServerProcess, serve

__all__ = ["QUESTION", "TOKEN", "Start", "ask", "scrape", "starter"]

Start = Callable[..., ServerProcess]

QUESTION = user("What is the weather in Bern?")
TOKEN = "a token of the metrics"


def starter(stack: ExitStack, receiver: str, provider: str) -> Start:
    """Return a function that serves an app until the stack is closed."""

    def start(
        app: str, host: Host = "uvicorn", *, args: tuple[str, ...] = (), **env: str
    ) -> ServerProcess:
        standard = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": receiver,
            "PROVIDER": provider,
            "USECHAT_DRAIN_GRACE": "0",
        }
        name = f"tests.server.telemetry.{app}"
        return stack.enter_context(serve(name, host, env={**standard, **env}, args=args))

    return start


def ask(served: ServerProcess, chat: str, path: str = "/api/chat", **headers: str) -> list[Any]:
    """Send a message and return the chunks of the whole response."""
    response = httpx.post(
        f"{served.url}{path}",
        json={"id": chat, "messages": [QUESTION]},
        headers=headers,
        trust_env=False,
        timeout=DEADLINE,
    )
    assert response.status_code == 200, response.text
    return chunks(response.text)


def scrape(served: ServerProcess) -> dict[str, float]:
    """Return the values of the metrics, by name and labels as Prometheus writes them."""
    response = httpx.get(
        f"{served.url}/metrics",
        headers={"authorization": f"Bearer {TOKEN}"},
        trust_env=False,
        timeout=DEADLINE,
    )
    assert response.status_code == 200, response.text
    values = {}
    for family in text_string_to_metric_families(response.text):
        for sample in family.samples:
            labels = ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items()) if v)
            values[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return values
