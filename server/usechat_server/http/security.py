"""Rejects requests of foreign origins and hosts, and adds CORS headers for the allowed origins.

Any site can make a browser POST here: a `text/plain` body needs no preflight, and the protocol's
clients send no header that could be required. A site cannot forge `Origin`, `Host` and
`Sec-Fetch-Site`, so these decide, before the body is read.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from usechat_server.http.errors import ErrorRenderer
from usechat_server.http.run_response import RUN_HEADER
from usechat_server.settings import Settings

__all__ = ["Security", "is_loopback"]

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_HEADERS = frozenset({b"host", b"origin", b"sec-fetch-site", b"x-forwarded-host"})


class Security:
    """ASGI middleware: 403 for foreign origins and hosts, CORS for the allowed origins."""

    def __init__(self, app: ASGIApp, settings: Settings, errors: ErrorRenderer) -> None:
        self._app = app
        self._errors = errors
        self._origins = frozenset(origin.lower().rstrip("/") for origin in settings.allowed_origins)
        self._any_origin = "*" in self._origins
        self._hosts = frozenset(host.lower() for host in settings.allowed_hosts)
        self._check_host = is_loopback(settings.host) and "*" not in self._hosts
        self._cors = CORSMiddleware(
            app,
            allow_origins=["*"] if self._any_origin else self._origins,
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            # A client needs the id of a run to stop it, and the seconds after which to try again.
            expose_headers=[RUN_HEADER, "retry-after", "x-vercel-ai-ui-message-stream"],
            # All that the preflight names: `x-usechat-client`, headers of the app, and
            # `user-agent`, which the AI SDK sets up to 5.0.152 and 6.0.125.
            allow_headers=["*"],
            allow_credentials=not self._any_origin,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = _first_values(scope)
        if self._check_host and not self._is_known_host(scope, headers.get(b"host")):
            await self._refuse(
                "This host name is not allowed. To allow it, add it to USECHAT_ALLOWED_HOSTS."
            )(scope, receive, send)
            return
        origin = headers.get(b"origin")
        if origin is None or _is_same_origin(origin, headers):
            await self._app(scope, receive, send)
        elif self._any_origin or origin in self._origins:
            await self._cors(scope, receive, send)
        else:
            await self._refuse(
                f"Requests from {origin[:100]} are not allowed. To allow them, add the origin to "
                "USECHAT_ALLOWED_ORIGINS."
            )(scope, receive, send)

    def _refuse(self, text: str) -> ASGIApp:
        return self._errors.response(403, text)

    def _is_known_host(self, scope: Scope, host: str | None) -> bool:
        # The `Host` of a DNS rebinding attack is still the attacker's name. A request without the
        # header does not come from a browser.
        server = scope.get("server")
        if host is None or server is None or not is_loopback(server[0]):
            return True
        name = _host_name(host)
        return is_loopback(name) or name in self._hosts


def is_loopback(host: str) -> bool:
    """Whether a host name or address is a loopback one."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_origin(origin: str, headers: Mapping[bytes, str]) -> bool:
    # Browsers send it to https and loopback servers. Unlike `Host`, no proxy rewrites it.
    if headers.get(b"sec-fetch-site") == "same-origin":
        return True
    # The proxies of Next.js and Vite rewrite `Host` and send `X-Forwarded-Host`. A foreign site
    # cannot add that header: it requires a preflight, which is rejected.
    hosts: Collection[str | None] = (
        headers.get(b"host"),
        headers.get(b"x-forwarded-host", "").split(",")[0].strip(),
    )
    scheme, _, authority = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    # The scheme is not compared: behind a proxy that terminates TLS it is http here.
    return port is not None and any(
        host and host.lower().removesuffix(f":{port}") == authority for host in hosts
    )


def _host_name(host: str) -> str:
    host = host.strip().lower()
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]


def _first_values(scope: Scope) -> dict[bytes, str]:
    values: dict[bytes, str] = {}
    for name, value in scope["headers"]:
        if name in _HEADERS:
            values.setdefault(name, value.decode("latin-1"))
    return values
