"""Rejects requests of foreign origins and hosts, and adds CORS headers for the allowed origins.

Any site can make a browser POST here: a `text/plain` body needs no preflight, and the protocol's
clients send no header that could be required. A site can open a WebSocket here as well: CORS does
not apply to handshakes. It cannot forge `Origin`, `Host` and `Sec-Fetch-Site`, so these decide,
before the body is read and before a WebSocket is accepted.
"""

from __future__ import annotations

import ipaddress
import logging
import re
from collections.abc import Collection, Mapping, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from usechat_server.doors.sse import CHAT_HEADER
from usechat_server.http.errors import ErrorRenderer
from usechat_server.http.run_response import RUN_HEADER
from usechat_server.settings import Settings
from usechat_server.telemetry.request import REQUEST_ID

__all__ = ["Security", "describe_request", "is_local", "is_loopback", "is_public_address"]

logger: logging.Logger = logging.getLogger("usechat.app")

_DEFAULT_PORTS = {"http": "80", "https": "443"}
_HEADERS = frozenset(
    {
        b"access-control-request-method",
        b"host",
        b"origin",
        b"sec-fetch-site",
        b"x-forwarded-host",
    }
)
_METHODS = ("GET", "POST", "PATCH", "DELETE")
#: The headers that a preflight of a foreign origin allows. Not `x-forwarded-host`, which would make
#: its origin look like the server's own.
_FOREIGN_HEADERS = "authorization, content-type, user-agent, x-usechat-client"
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s/?#@,]+")
#: Names that have a log line of level warning; the lines of further ones are of level info.
_MAX_WARNINGS = 100


class Security:
    """ASGI middleware: 403 for foreign origins and hosts, CORS for the allowed origins."""

    def __init__(self, app: ASGIApp, settings: Settings, errors: ErrorRenderer) -> None:
        self._app = app
        self._errors = errors
        origins = [origin.lower().rstrip("/") for origin in settings.allowed_origins]
        self._any_origin = "*" in origins
        self._origins = _pattern(origins)
        hosts = [host.lower() for host in settings.allowed_hosts]
        self._hosts = _pattern(hosts)
        self._checks_any_address = bool(hosts)
        self._checks_host = "*" not in hosts and (bool(hosts) or is_loopback(settings.host))
        self._warned: set[str] = set()
        self._cors = CORSMiddleware(
            app,
            allow_origins=["*"] if self._any_origin else (),
            allow_origin_regex=None if self._any_origin else self._origins.pattern,
            allow_methods=_METHODS,
            # A client needs the id of a run to stop it, that of a new chat, and the seconds after
            # which to try again.
            expose_headers=[
                RUN_HEADER,
                CHAT_HEADER,
                REQUEST_ID,
                "retry-after",
                "server-timing",
                "x-vercel-ai-ui-message-stream",
            ],
            # All that the preflight names: `x-usechat-client`, headers of the app, and
            # `user-agent`, which the AI SDK sets up to 5.0.152 and 6.0.125.
            allow_headers=["*"],
            allow_credentials=not self._any_origin,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers = _first_values(scope)
        is_handshake = scope["type"] == "websocket"
        if self._checks_host and (name := self._unknown_host(scope, headers)) is not None:
            self._log(scope, name, "host", "USECHAT_ALLOWED_HOSTS")
            response = self._refuse(
                "This host name is not allowed. To allow it, add it to USECHAT_ALLOWED_HOSTS."
            )
            await _send_refusal(response, scope, receive, send)
            return
        origin = headers.get(b"origin")
        if origin is None or _is_same_origin(origin, headers):
            await self._app(scope, receive, send)
        elif self._any_origin or self._origins.fullmatch(origin):
            # It passes handshakes on as they are.
            await self._cors(scope, receive, send)
        elif (
            not is_handshake
            and scope["method"] == "OPTIONS"
            and b"access-control-request-method" in headers
        ):
            # Else no browser shows the refusal of the request itself.
            await Response(status_code=204, headers=_preflight(origin))(scope, receive, send)
        else:
            self._log(scope, origin, "origin", "USECHAT_ALLOWED_ORIGINS")
            response = self._refuse(
                f"Requests from {origin[:100]} are not allowed. To allow them, add the origin to "
                "USECHAT_ALLOWED_ORIGINS.",
                _readable_by(origin),
            )
            await _send_refusal(response, scope, receive, send)

    def _refuse(self, text: str, headers: Mapping[str, str] | None = None) -> Response:
        return self._errors.response(403, text, headers)

    def _log(self, scope: Scope, name: str, kind: str, setting: str) -> None:
        is_new = name not in self._warned and len(self._warned) < _MAX_WARNINGS
        if is_new:
            self._warned.add(name)
        logger.log(
            logging.WARNING if is_new else logging.INFO,
            "refused %s: the %s %.200r is not in %s",
            describe_request(scope),
            kind,
            name,
            setting,
        )

    def _unknown_host(self, scope: Scope, headers: Mapping[bytes, str]) -> str | None:
        """Return the host name of a request if it is not allowed."""
        # The `Host` of a DNS rebinding attack is still the attacker's name. A request without the
        # header does not come from a browser.
        server = scope.get("server")
        if not self._checks_any_address and (server is None or not is_loopback(server[0])):
            return None
        # The proxies of Next.js and Vite rewrite `Host` and pass on the name in the other header.
        for host in (headers.get(b"host"), _forwarded_host(headers)):
            if host is not None and not self._is_known_host(_host_name(host)):
                return host
        return None

    def _is_known_host(self, name: str) -> bool:
        # No name server decides what an address means.
        return is_loopback(name) or _is_address(name) or self._hosts.fullmatch(name) is not None


def describe_request(scope: Scope) -> str:
    """Return the method, the path and the client's address of a request, for the log."""
    client = scope.get("client")
    method = scope.get("method", "WebSocket")
    return f"{method[:20]} {scope['path']!r:.200} of {client[0] if client else 'unknown'}"


def is_local(scope: Scope) -> bool:
    """Whether a request comes from this machine, through a proxy or not."""
    headers = _first_values(scope)
    server = scope.get("server")
    hosts = (headers.get(b"host"), _forwarded_host(headers))
    names = [_host_name(host) for host in hosts if host is not None]
    return server is not None and all(map(is_loopback, [server[0], *names]))


def is_loopback(host: str) -> bool:
    """Whether a host name or address is a loopback one."""
    name = host.lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_public_address(host: str) -> bool:
    """Whether it is an address, not a name, and not a loopback one."""
    return _is_address(host) and not is_loopback(host)


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


async def _send_refusal(response: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a refusal. A handshake gets a bare 403 from a host that cannot send it a response."""
    if scope["type"] == "websocket" and "websocket.http.response" not in scope.get(
        "extensions", {}
    ):
        await send({"type": "websocket.close"})
    else:
        await response(scope, receive, send)


def _pattern(names: Sequence[str]) -> re.Pattern[str]:
    """Return what matches the names; a `*` in them stands for letters, digits and hyphens."""
    patterns = (re.escape(name).replace(r"\*", "[a-z0-9-]+") for name in names)
    return re.compile("|".join(patterns) or "(?!)")


def _preflight(origin: str) -> dict[str, str]:
    return {
        **_readable_by(origin),
        "access-control-allow-methods": ", ".join(_METHODS),
        "access-control-allow-headers": _FOREIGN_HEADERS,
    }


def _readable_by(origin: str) -> dict[str, str]:
    """Return the headers with which a script of an origin may read a response, without cookies."""
    if not _ORIGIN.fullmatch(origin):
        return {}
    return {"access-control-allow-origin": origin, "vary": "origin"}


def _is_same_origin(origin: str, headers: Mapping[bytes, str]) -> bool:
    # Browsers send it to https and loopback servers. Unlike `Host`, no proxy rewrites it.
    if headers.get(b"sec-fetch-site") == "same-origin":
        return True
    # The proxies of Next.js and Vite rewrite `Host` and send `X-Forwarded-Host`. A foreign site
    # cannot add that header: it requires a preflight, which does not allow it.
    hosts: Collection[str | None] = (headers.get(b"host"), _forwarded_host(headers))
    scheme, _, authority = origin.lower().partition("://")
    port = _DEFAULT_PORTS.get(scheme)
    # The scheme is not compared: behind a proxy that terminates TLS it is http here.
    return port is not None and any(
        host and host.lower().removesuffix(f":{port}") == authority for host in hosts
    )


def _forwarded_host(headers: Mapping[bytes, str]) -> str | None:
    """Return the name that the client used, as the first proxy passed it on."""
    return headers.get(b"x-forwarded-host", "").split(",")[0].strip() or None


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
