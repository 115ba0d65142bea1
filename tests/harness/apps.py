"""Apps for servers in other processes, which import them by name."""

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

#: Responds with "Hello there".
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
    async def released_chunks() -> AsyncIterator[Chunk]:
        async for batch in _model.stream(ModelCall([])):
            for chunk in batch:
                yield chunk

    return UIMessageStreamResponse(released_chunks())


#: The chat below /ai responds with "Hello there", and each run ends after POST /release. So does
#: the stream of /own, a route without a chat.
held = Starlette(
    routes=[
        Route("/release", _release, methods=["POST"]),
        Route("/own", _own, methods=["POST"]),
        Mount("/ai", _chat),
    ],
    lifespan=_chat.lifespan,
)

#: Responds with "Hello there" and never ends.
endless = Agent(ScriptedModel(hold=True))
