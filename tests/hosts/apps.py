"""An app for real servers. Its streams tell, on another connection, what became of them."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterable
from time import monotonic
from typing import TypedDict

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from ui_message_stream.chunks import Chunk, TextDelta, TextStart
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION
from usechat_server.agent import Agent
from usechat_server.http.response import UIMessageStreamResponse
from usechat_server.runs import Runs
from usechat_server.turn import Turn

from tests.harness.lifecycle import start_run
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

#: By default, neither a keep-alive nor a timeout can be what notices anything.
NEVER = 3600.0

#: What a stream says, and after how many seconds again: nothing more, little, or too much to read.
DELTAS: dict[str, tuple[str, float | None]] = {
    "silent": ("x", None),
    "talking": ("x", 0.01),
    "flooding": ("x" * 65536, 0.002),
}


class Ending:
    """What became of the last stream of a kind."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.report: dict[str, object] = {}


endings: dict[str, Ending] = {}
runs = Runs()


class Timing(TypedDict):
    keep_alive: float
    send_timeout: float


def timing(request: Request) -> Timing:
    asked = request.query_params
    return {
        "keep_alive": float(asked.get("keep_alive", NEVER)),
        "send_timeout": float(asked.get("send_timeout", NEVER)),
    }


async def own_chunks(request: Request) -> Response:
    kind = request.path_params["kind"]
    ending = endings[kind] = Ending()
    chunks = say(*DELTAS[kind], ending)
    return UIMessageStreamResponse(chunks, **timing(request))


async def say(delta: str, pause: float | None, ending: Ending) -> AsyncIterator[Chunk]:
    task, by, said = asyncio.current_task(), "nothing", 0
    try:
        yield TextStart(id="0")
        while True:
            said += len(delta)
            yield TextDelta(id="0", delta=delta)
            await (asyncio.Event().wait() if pause is None else asyncio.sleep(pause))
    except BaseException as error:
        by = type(error).__name__
        raise
    finally:
        at = monotonic()
        # Cleaning up may take its time: nothing cancels it a second time.
        await asyncio.sleep(0.01)
        one_task = asyncio.current_task() is task
        ending.report = {"at": at, "by": by, "one_task": one_task, "said": said}
        ending.happened.set()


async def short(request: Request) -> Response:
    async def chunks() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        yield TextDelta(id="0", delta="x")

    return UIMessageStreamResponse(chunks())


async def run(request: Request) -> Response:
    kind = request.path_params["kind"]
    delta, pause = DELTAS[kind]
    ending = endings[kind] = Ending()
    more: Iterable[ScriptEvent] = (
        [asyncio.Event()]
        if pause is None
        else itertools.cycle([pause, [TextDelta(id="0", delta=delta)]])
    )
    first: ScriptEvent = [TextStart(id="0"), TextDelta(id="0", delta=delta)]
    model = ScriptedModel(itertools.chain([first], more))
    turn = Turn(
        user=None,
        chat_id="c",
        client_version=DEFAULT_CLIENT_VERSION,
        messages=[UIMessage(id="u", role="user", parts=[TextPart(text="?")])],
        message_id="m",
    )
    started = await start_run(runs, turn, Agent(model))
    asyncio.get_running_loop().create_task(report_run(model, ending))
    return started.response(**timing(request))


async def report_run(model: ScriptedModel, ending: Ending) -> None:
    stream = model.streams[0]
    await stream.closed.wait()
    ending.report = {"at": stream.closed_at}
    ending.happened.set()


async def ended(request: Request) -> Response:
    """Waits for the end of the last stream of a kind and tells about it."""
    ending = endings[request.path_params["kind"]]
    await ending.happened.wait()
    return JSONResponse(ending.report)


class Pass(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


routes = [
    Route("/chunks/short", short, methods=["POST"]),
    Route("/chunks/{kind}", own_chunks, methods=["POST"]),
    Route("/run/{kind}", run, methods=["POST"]),
    Route("/ended/{kind}", ended),
]
#: What `@app.middleware("http")` makes of a FastAPI app.
wrapped = Starlette(routes=routes, middleware=[Middleware(Pass), Middleware(Pass)])
app = Starlette(routes=[*routes, Mount("/wrapped", wrapped)])
