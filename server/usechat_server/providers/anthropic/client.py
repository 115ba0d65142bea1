"""The SDK's clients, and what the provider says of its models."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import httpx2
from anthropic import APIStatusError, AsyncAnthropic, DefaultAioHttpClient
from opentelemetry import trace

from usechat_server.providers.anthropic.errors import retry_after

__all__ = ["Client", "Clients", "TokenLimit"]

_log = logging.getLogger("usechat.anthropic")

#: Open connections at most: more than one worker carries streams. (The transport's own default
#: would queue the 101st.)
_MAX_CONNECTIONS = 10_000
#: Seconds that an idle connection is kept for the next turn, which then needs no TLS handshake.
_KEEP_ALIVE = 60.0
_CONNECT_TIMEOUT = 5.0
#: Seconds that the provider may ask to wait before the next attempt. The SDK would wait for hours;
#: whoever waits for an answer is told after longer ones.
_LONGEST_PAUSE = 30.0
#: Seconds for the model list, which nobody waits for.
_LIST_TIMEOUT = 30.0


class Client(Protocol):
    """What is used of `AsyncAnthropic`, and of its Bedrock, Vertex and Foundry kin."""

    @property
    def messages(self) -> Any: ...


class Clients:
    """The client to use: the app's own as it is, else one of ours per event loop, made on first
    use from the standard variables (`ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL`)."""

    def __init__(self, given: Client | None) -> None:
        self._given = given
        # Loading the certificates takes long enough to be felt, so not in the first turn.
        self._tls = httpx2.create_ssl_context() if given is None else True
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncAnthropic] = (
            WeakKeyDictionary()
        )

    def get(self) -> Client:
        """The running loop's client."""
        if self._given is not None:
            return self._given
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made[loop] = self._make()
        return self._made[loop]

    async def aclose(self) -> None:
        """Closes the running loop's client, if it is ours."""
        client = self._made.pop(asyncio.get_running_loop(), None)
        if client is not None:
            await client.close()

    def _make(self) -> AsyncAnthropic:
        # aiohttp under the SDK costs half of the default transport per delta. No read timeout: the
        # watchdog's clocks stop while nobody reads, the transport's would not.
        timeout = httpx2.Timeout(None, connect=_CONNECT_TIMEOUT)
        limits = httpx2.Limits(
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_CONNECTIONS,
            keepalive_expiry=_KEEP_ALIVE,
        )
        http_client = DefaultAioHttpClient(
            timeout=timeout,
            limits=limits,
            verify=self._tls,
            event_hooks={"response": [_refuse_long_pause]},
        )
        # Spans that nobody collects would still cost a twentieth of the time to the first token.
        traced = not isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider)
        return AsyncAnthropic(
            timeout=timeout, http_client=http_client, open_telemetry=None if traced else False
        )


async def _refuse_long_pause(response: httpx2.Response) -> None:
    if (retry_after(response.headers) or 0.0) > _LONGEST_PAUSE:
        response.headers["x-should-retry"] = "false"  # which the SDK obeys


class TokenLimit:
    """The longest answer of one model, as the provider's model list says."""

    def __init__(self, model: str) -> None:
        self._model = model
        #: tokens; None while unknown
        self.value: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._asked = False

    def fetch(self, client: Client, heard: Callable[[Mapping[str, Any]], None]) -> None:
        """Asks in the background, unless it was asked already; `heard` gets the list's entry."""
        if not self._asked:
            self._asked = True
            self._task = asyncio.create_task(self._fetch(client, heard))

    async def aclose(self) -> None:
        """Gives up a question under way, if it is the running loop's."""
        task = self._task
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
            self._asked = self.value is not None

    async def _fetch(self, client: Client, heard: Callable[[Mapping[str, Any]], None]) -> None:
        models: Any = getattr(client, "models", None)
        if models is None:
            return
        try:
            # Raw: the SDK's model of a model takes it longer to build than the call to make.
            response = await models.with_raw_response.retrieve(self._model, timeout=_LIST_TIMEOUT)
            entry = response.http_response.json()
            self.value = entry.get("max_tokens")
            heard(entry)
        except APIStatusError as error:
            # Not every provider has the list. The documented constant serves as well.
            _log.info("no token limit for %s: %s", self._model, error)
        except Exception as error:
            self._asked = False
            _log.info("no token limit for %s yet: %r", self._model, error)
