"""What a route of the app's own needs: the useChat request as a Turn."""

from __future__ import annotations

from dataclasses import replace

from pydantic import BaseModel
from starlette.exceptions import HTTPException
from starlette.requests import Request

from usechat_server.body import validated
from usechat_server.chat_request import parse_request, read_body, requested_floor, turn_of
from usechat_server.providers.base import BadRequest
from usechat_server.settings import Settings
from usechat_server.turn import Turn

__all__ = ["read_turn"]


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
    Limits and the floor are those of `settings`, by default the `USECHAT_*` variables.

    Raises Starlette's HTTPException with a text for the person.
    """
    settings = settings or Settings()
    try:
        floor = requested_floor(request.scope, settings.floor)
        sent = parse_request(await read_body(request.scope, request.receive, settings))
        turn = turn_of(sent, user, floor)
        return replace(turn, body=validated(turn.body, body))
    except BadRequest as error:
        raise HTTPException(error.status, error.text) from None
