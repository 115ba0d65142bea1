"""Requests to a provider go through the proxy that the environment names."""

from __future__ import annotations

import pytest
from usechat_server.providers.anthropic.client import Clients

from tests.server.providers.transport.wire_server import Exchange, serve

pytestmark = pytest.mark.anyio

VARIABLES = [
    name
    for base in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
    for name in (base, base.lower())
]
JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "any")


async def send_response(exchange: Exchange) -> None:
    await exchange.request()
    await exchange.send(JSON)


async def post() -> None:
    clients = Clients(None)
    try:
        assert await clients.own().post("/v1/x", cast_to=object, body={}) == {}
    finally:
        await clients.aclose()


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
async def test_an_http_proxy_is_used(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(send_response) as proxy:
        monkeypatch.setenv(variable, proxy.url.removesuffix("/v1"))
        monkeypatch.setenv("ANTHROPIC_BASE_URL", "http://api.test")
        await post()
        [exchange] = proxy.exchanges
        assert exchange.requests[0].startswith(b"POST http://api.test/v1/x HTTP/1.1")


async def test_hosts_of_no_proxy_are_asked_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    async with serve(send_response) as provider:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", provider.url.removesuffix("/v1"))
        monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        await post()
        [exchange] = provider.exchanges
        assert exchange.requests[0].startswith(b"POST /v1/x HTTP/1.1")


async def test_a_socks_proxy_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    with pytest.raises(ValueError, match=r"SOCKS proxy .* add api\.anthropic\.com to NO_PROXY"):
        Clients(None).get()
