"""The HTTP transport of model calls: asyncio and httptools under an SDK's httpx2 client.

It does what a stream of small events needs and nothing else: HTTP/1.1, one request at a time per
connection, no proxies (see `uses_proxy`), no redirects (which the client above follows). A read
from the socket costs one callback, where a general HTTP client has a chain of async generators.
"""

from __future__ import annotations

from usechat_server.providers.transport.body import ResponseBody, push, response_body
from usechat_server.providers.transport.proxies import uses_proxy
from usechat_server.providers.transport.transport import (
    CONNECT_TIMEOUT,
    RawResponse,
    RequestHead,
    StaleConnectionError,
    Transport,
)

__all__ = [
    "CONNECT_TIMEOUT",
    "RawResponse",
    "RequestHead",
    "ResponseBody",
    "StaleConnectionError",
    "Transport",
    "push",
    "response_body",
    "uses_proxy",
]
