"""Which sites may talk to this server: foreign origins and hosts are refused, allowed get CORS.

A page of any site can make a browser POST here: a `text/plain` body needs no preflight, and the
protocol's clients give no header to insist on. What cannot be forged by a page are `Origin`, `Host`
and `Sec-Fetch-Site`, so those decide, before the body is read.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Mapping

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from usechat_server.http.errors import ErrorRenderer
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
            # Which run an answer is: what a page needs to stop that one.
            expose_headers=["x-usechat-run"],
            # An allowed frontend sends what headers it likes: its own, `user-agent` (AI SDK up to
            # 5.0.152 and 6.0.125 sets it), `x-usechat-client`. They are mirrored.
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
                "This server answers to loopback names only. More names: USECHAT_ALLOWED_HOSTS."
            )(scope, receive, send)
            return
        origin = headers.get(b"origin")
        if origin is None or _is_same_origin(origin, headers):
            await self._app(scope, receive, send)
        elif self._any_origin or origin in self._origins:
            await self._cors(scope, receive, send)
        else:
            await self._refuse(
                f"Requests from {origin[:100]} are not allowed. More origins: "
                "USECHAT_ALLOWED_ORIGINS."
            )(scope, receive, send)

    def _refuse(self, text: str) -> ASGIApp:
        return self._errors.response(403, text)

    def _is_known_host(self, scope: Scope, host: str | None) -> bool:
        # A page whose name was made to resolve to a loopback address still names itself in `Host`.
        # Without the header it is no browser.
        server = scope.get("server")
        if host is None or server is None or not is_loopback(server[0]):
            return True
        name = _host_name(host)
        return is_loopback(name) or name in self._hosts


def is_loopback(host: str) -> bool:
    """Whether a host name or address is this machine's own."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _is_same_origin(origin: str, headers: Mapping[bytes, str]) -> bool:
    # Browsers say it themselves, to https and loopback servers: right also behind proxies that
    # rewrite `Host`.
    if headers.get(b"sec-fetch-site") == "same-origin":
        return True
    # `X-Forwarded-Host` is what a proxy says: the Next.js and Vite ones rewrite `Host`. A foreign
    # page cannot add it, since that needs a preflight, which is refused.
    hosts: Collection[str | None] = (
        headers.get(b"host"),
        headers.get(b"x-forwarded-host", "").split(",")[0].strip(),
    )
    scheme, _, authority = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    # The scheme is not compared: behind TLS termination this server sees http.
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
