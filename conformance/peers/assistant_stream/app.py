"""assistant-stream, as its documentation writes a route, around a call of Claude."""

from anthropic import AsyncAnthropic
from assistant_stream import RunController, create_run
from assistant_stream.serialization import DataStreamResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

client = AsyncAnthropic()


async def chat(request: Request) -> Response:
    body = await request.json()
    turns = [
        {
            "role": message["role"],
            "content": "\n".join(p["text"] for p in message["parts"] if p["type"] == "text") or "-",
        }
        for message in body["messages"]
    ]

    async def run(controller: RunController) -> None:
        async with client.messages.stream(
            model="claude-sonnet-4-5", max_tokens=1000, messages=turns
        ) as stream:
            async for text in stream.text_stream:
                controller.append_text(text)

    return DataStreamResponse(create_run(run))


app = Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])
