"""Apps for servers in processes of their own, by import string."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from ui_message_stream.chunks import Chunk
from usechat_server import Agent, UIMessageStreamResponse, create_app
from usechat_server.providers.base import ModelCall

from tests.harness.live import ScriptedModel

__all__ = ["agent", "endless", "held", "make_agent", "mounted", "needs_v6"]

#: Answers "Hello there".
agent = Agent(ScriptedModel())


def make_agent() -> Agent:
    return agent


needs_v6 = Agent(ScriptedModel(requires=frozenset({"tool-approval-request"})))

#: `agent` below /ai.
mounted = Starlette(routes=[Mount("/ai", create_app(agent))])

_model = ScriptedModel(hold=True)
_chat = create_app(Agent(_model))


async def _release(request: Request) -> Response:
    _model.release()
    return PlainTextResponse("released")


async def _own(request: Request) -> Response:
    async def answer() -> AsyncIterator[Chunk]:
        async for batch in _model.stream(ModelCall([])):
            for chunk in batch:
                yield chunk

    return UIMessageStreamResponse(answer())


#: The chat below /ai says "Hello there", and ends its answers when /release was called. So does
#: /own, which streams without a chat.
held = Starlette(
    routes=[
        Route("/release", _release, methods=["POST"]),
        Route("/own", _own, methods=["POST"]),
        Mount("/ai", _chat),
    ],
    lifespan=_chat.lifespan,
)

#: Says "Hello there" and goes on for ever.
endless = Agent(ScriptedModel(hold=True))
