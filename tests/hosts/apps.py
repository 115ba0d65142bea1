"""An app for real servers. Another request returns how its last stream of a kind ended."""

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
from usechat_server.http.response import TextStreamResponse, UIMessageStreamResponse
from usechat_server.runs import RunConfig, Runs
from usechat_server.runs.limits import RunLimits
from usechat_server.turn import Turn

from tests.harness.lifecycle import start_run
from tests.harness.scripted_model import ScriptedModel, ScriptEvent

#: Seconds that are never over in a test: by default no keep-alive or timeout notices a disconnect.
NEVER = 3600.0

#: kind of stream → its delta, and the seconds until the next one; None: there is only one
DELTAS: dict[str, tuple[str, float | None]] = {
    "silent": ("x", None),
    "talking": ("x", 0.01),
    "flooding": ("x" * 65536, 0.002),
}


class EndReport:
    """How the last stream of a kind ended."""

    def __init__(self) -> None:
        self.ended = asyncio.Event()
        self.fields: dict[str, object] = {}


reports: dict[str, EndReport] = {}
#: A dead reader is to be noticed before the response is too large, however slow the machine is.
runs = Runs(RunConfig(limits=RunLimits(max_response_bytes=2**40)))


class Timing(TypedDict):
    keep_alive: float
    send_timeout: float


def timing_of(request: Request) -> Timing:
    query = request.query_params
    return {
        "keep_alive": float(query.get("keep_alive", NEVER)),
        "send_timeout": float(query.get("send_timeout", NEVER)),
    }


async def own_chunks(request: Request) -> Response:
    kind = request.path_params["kind"]
    report = reports[kind] = EndReport()
    chunks = write_deltas(*DELTAS[kind], report)
    return UIMessageStreamResponse(chunks, **timing_of(request))


async def write_deltas(delta: str, pause: float | None, report: EndReport) -> AsyncIterator[Chunk]:
    task, ended_by, written = asyncio.current_task(), "nothing", 0
    try:
        yield TextStart(id="0")
        while True:
            written += len(delta)
            yield TextDelta(id="0", delta=delta)
            await (asyncio.Event().wait() if pause is None else asyncio.sleep(pause))
    except BaseException as error:
        ended_by = type(error).__name__
        raise
    finally:
        ended_at = monotonic()
        # Clean-up may await: it is not cancelled a second time.
        await asyncio.sleep(0.01)
        same_task = asyncio.current_task() is task
        report.fields = {"at": ended_at, "by": ended_by, "same_task": same_task, "written": written}
        report.ended.set()


async def short_chunks(request: Request) -> Response:
    async def chunks() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        yield TextDelta(id="0", delta="x")

    return UIMessageStreamResponse(chunks())


async def failing_text(request: Request) -> Response:
    async def chunks() -> AsyncIterator[Chunk]:
        yield TextStart(id="0")
        yield TextDelta(id="0", delta="x")
        raise RuntimeError("failed")

    return TextStreamResponse(chunks())


async def run_agent(request: Request) -> Response:
    kind = request.path_params["kind"]
    delta, pause = DELTAS[kind]
    report = reports[kind] = EndReport()
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
    asyncio.get_running_loop().create_task(report_run(model, report))
    return started.response(**timing_of(request))


async def report_run(model: ScriptedModel, report: EndReport) -> None:
    stream = model.streams[0]
    await stream.closed.wait()
    report.fields = {"at": stream.closed_at}
    report.ended.set()


async def wait_for_end(request: Request) -> Response:
    """Wait until the last stream of a kind has ended, and return its report."""
    report = reports[request.path_params["kind"]]
    await report.ended.wait()
    return JSONResponse(report.fields)


class PassThrough(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        return await call_next(request)


routes = [
    Route("/chunks/short", short_chunks, methods=["POST"]),
    Route("/text/failing", failing_text, methods=["POST"]),
    Route("/chunks/{kind}", own_chunks, methods=["POST"]),
    Route("/run/{kind}", run_agent, methods=["POST"]),
    Route("/ended/{kind}", wait_for_end),
]
#: What `@app.middleware("http")` makes of a FastAPI app.
wrapped_app = Starlette(
    routes=routes, middleware=[Middleware(PassThrough), Middleware(PassThrough)]
)
app = Starlette(routes=[*routes, Mount("/wrapped", wrapped_app)])
