"""The one place that turns an error into a response: plain text by default, JSON if the app asks.

`useChat` puts the body of a refusal into `error.message` as it is, so the default is a text that a
frontend can show. The table of all of them is docs/errors.md.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Literal

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import Scope
from ui_message_stream import json_codec

from usechat_server.errors import (
    ChatError,
    RequestTimeout,
    ServiceUnavailable,
    TooManyRequests,
    public_error,
)
from usechat_server.telemetry.request import REQUEST_ID, request_id

__all__ = ["API_HEADERS", "ErrorFormat", "ErrorRenderer"]

logger: logging.Logger = logging.getLogger("usechat.app")

#: Of every response that is no stream and no page: it is data, whatever a browser takes it for.
API_HEADERS = {
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
}

ErrorFormat = Literal["text", "json"]


@dataclass(frozen=True, slots=True)
class ErrorRenderer:
    """Renders refusals and failures."""

    format: ErrorFormat = "text"
    #: where turns are posted, for the text of a 404
    chat_path: str = "/api/chat"

    def response(
        self, status: int, text: str, headers: Mapping[str, str] | None = None
    ) -> Response:
        """Return a response with a status and a text for the user."""
        if status < 200 or status in {204, 304}:  # HTTP allows no body here
            return Response(None, status, headers)
        text = json_codec.replace_surrogates(text)
        headers = {**API_HEADERS, "cache-control": "no-store", **(headers or {})}
        if (id_of_request := request_id()) is not None:
            headers[REQUEST_ID] = id_of_request
        if self.format == "text":
            return PlainTextResponse(text, status, headers)
        return JSONResponse({"error": {"status": status, "message": text}}, status, headers)

    def render(self, scope: Scope, error: Exception) -> Response:
        """Return the response for an error. A failure is logged in full, and its text is masked."""
        if isinstance(error, ChatError):
            return self.response(error.status, error.text, _headers(scope, error))
        if isinstance(error, HTTPException):
            return self.response(error.status_code, self._text(scope, error), error.headers)
        public = public_error(error)
        logger.error(
            "request failed: %s %s, %r (reference %s)",
            scope["method"],
            scope["path"],
            error,
            public.reference,
            exc_info=error,
        )
        return self.response(500, public.text)

    def _text(self, scope: Scope, error: HTTPException) -> str:
        detail: object = error.detail
        if error.status_code == 404 and detail == HTTPStatus.NOT_FOUND.phrase:
            path = f"{scope.get('root_path', '')}{self.chat_path}"
            return f"Not found. The chat is at POST {path}."
        if error.status_code == 405 and detail == HTTPStatus.METHOD_NOT_ALLOWED.phrase:
            return f"{scope['method']} is not allowed here."
        if isinstance(detail, str):
            return detail
        # FastAPI's HTTPException takes any value.
        return json.dumps(detail, ensure_ascii=False, default=str)


def _headers(scope: Scope, error: ChatError) -> dict[str, str] | None:
    if isinstance(error, ServiceUnavailable | TooManyRequests):
        return {"retry-after": str(error.retry_after)}
    if isinstance(error, RequestTimeout) and scope["http_version"].startswith("1"):
        return {"connection": "close"}  # the rest of the body may still come
    return None
