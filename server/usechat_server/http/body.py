"""Reading the body and the headers of a request."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from pydantic import BaseModel
from starlette.datastructures import Headers, QueryParams
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope
from ui_message_stream.versions import ClientVersion

from usechat_server.chat_request import parse_request, turn_of, validated
from usechat_server.errors import ChatError, InvalidRequest, PayloadTooLarge, RequestTimeout
from usechat_server.settings import Settings, cached_settings
from usechat_server.turn import Turn

__all__ = ["CLIENT_HEADER", "read_body", "read_turn", "requested_client_version"]

CLIENT_HEADER = "x-usechat-client"
#: What clients sent before 0.1.
_FIRST_CLIENT_HEADER = "x-usechat-floor"


def requested_client_version(scope: Scope, default: ClientVersion) -> ClientVersion:
    """Return the release of `ai` that the request names, else the default.

    It is the `x-usechat-client` header (`ai/7.0.173`), or the query parameter `client` where a
    client cannot set headers.

    Raises:
        ChatError: It names no release of this protocol.
    """
    headers = Headers(scope=scope)
    for source, text in (
        (CLIENT_HEADER, headers.get(CLIENT_HEADER)),
        (_FIRST_CLIENT_HEADER, headers.get(_FIRST_CLIENT_HEADER)),
        ("client", QueryParams(scope["query_string"]).get("client")),
    ):
        if text is not None:
            try:
                return ClientVersion.parse(text.strip())
            except ValueError as error:
                raise InvalidRequest(f"{source}: {error}") from None
    return default


async def read_body(scope: Scope, receive: Receive, settings: Settings) -> bytes:
    """The request's body. Raises ChatError (413, 408), ClientDisconnect."""
    limit = settings.max_body_bytes
    for name, value in scope["headers"]:
        if name == b"content-length" and int(value) > limit:
            raise _too_large(limit)
    pieces: list[bytes] = []
    size = 0
    try:
        # One clock over the whole body: Next.js rewrites send 10 of 12 MB and then nothing.
        async with asyncio.timeout(settings.body_timeout):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise ClientDisconnect
                pieces.append(message.get("body", b""))
                size += len(pieces[-1])
                if size > limit:
                    raise _too_large(limit)
                if not message.get("more_body", False):
                    return b"".join(pieces)
    except TimeoutError:
        raise RequestTimeout(
            f"The request did not arrive within {settings.body_timeout:g} seconds."
        ) from None


def _too_large(limit: int) -> PayloadTooLarge:
    size = f"{limit / 2**20:.4g} MB" if limit >= 2**20 else f"{limit} bytes"
    return PayloadTooLarge(f"The request is too large: at most {size} are allowed.")


async def read_turn(
    request: Request,
    *,
    user: str | None = None,
    body: type[BaseModel] | None = None,
    settings: Settings | None = None,
) -> Turn:
    """The turn that `useChat` asks for. The history is the page's, and so are the tool outputs in
    it: nobody but the page vouches for them.

    `user` is who is asking, `body` the model of the custom fields, which then are `turn.body`.
    Limits and the client version are those of `settings`, by default the `USECHAT_*` variables.

    Raises Starlette's HTTPException with a text for the person.
    """
    settings = settings or cached_settings()
    try:
        client_version = requested_client_version(request.scope, settings.client_version)
        sent = parse_request(await read_body(request.scope, request.receive, settings))
        turn = turn_of(sent, user, client_version)
        return replace(turn, body=validated(turn.body, body))
    except ChatError as error:
        raise HTTPException(error.status, error.text) from None
