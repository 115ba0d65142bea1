"""UIMessages: the door that every app has, for `useChat` as it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from starlette.requests import Request
from ui_message_stream.versions import ClientVersion

from usechat_server.chat_request import ChatRequest, parse_request
from usechat_server.doors.base import Door
from usechat_server.doors.ndjson import NDJSON_TYPE, LifecycleEvents
from usechat_server.errors import InvalidRequest
from usechat_server.run_log.encoding import Encoding, ui_message_stream
from usechat_server.settings import Settings

__all__ = ["UIMessages"]


@dataclass(frozen=True)
class UIMessages(Door):
    """`POST /api/chat`: UI messages in, the UI message stream out, or NDJSON if it is accepted."""

    path: str = "/chat"

    #: the request names it
    client_version: ClassVar[ClientVersion | None] = None
    has_chat = True
    can_resume = True
    can_ask = True

    def parse(self, request: Request, body: bytes, settings: Settings) -> ChatRequest:
        return parse_request(body, settings)

    def encoding(self, request: Request, client_version: ClientVersion, chat_id: str) -> Encoding:
        if NDJSON_TYPE in request.headers.get("accept", ""):
            return LifecycleEvents()
        keep_alive = request.query_params.get("keepalive", "on")
        if keep_alive not in ("on", "off"):
            raise InvalidRequest(f"keepalive: expected on or off, got {keep_alive[:100]}")
        return ui_message_stream(client_version, has_comments=keep_alive == "on")
