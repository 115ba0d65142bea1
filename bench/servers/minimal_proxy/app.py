"""The least that a Python server can do between the provider and useChat, on the same parts.

It forwards text deltas and streamed tool inputs, and nothing else: no history, no tools, no errors,
no keep-alive, no disconnect that closes the provider's connection by itself. What another server
costs more than this one is what it does more.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import msgspec
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route
from usechat_server.providers.transport import Transport, response_body

BASE_URL = os.environ["ANTHROPIC_BASE_URL"]
decode, encode = msgspec.json.Decoder().decode, msgspec.json.Encoder().encode
client = httpx2.AsyncClient(transport=Transport(ssl.create_default_context()), timeout=None)


def frame(chunk: dict[str, Any]) -> bytes:
    return b"data: %b\n\n" % encode(chunk)


async def stream(prompt: str) -> AsyncIterator[bytes]:
    body = {
        "model": "claude-sonnet-4-5",
        "max_tokens": 4096,
        "stream": True,
        "messages": [{"role": "user", "content": prompt}],
    }
    yield frame({"type": "start"}) + frame({"type": "text-start", "id": "0"})
    rest = b""
    tool_input: list[str] = []
    async with client.stream("POST", f"{BASE_URL}/v1/messages", json=body) as response:
        async for data in response_body(response):
            *events, rest = (rest + data).split(b"\n\n")
            frames = []
            for event in events:
                payload = decode(event.partition(b"\ndata: ")[2])
                if payload["type"] != "content_block_delta":
                    continue
                delta = payload["delta"]
                if delta["type"] == "text_delta":
                    chunk = {"type": "text-delta", "id": "0", "delta": delta["text"]}
                else:
                    text = delta["partial_json"]
                    tool_input.append(text)
                    chunk = {"type": "tool-input-delta", "toolCallId": "0", "inputTextDelta": text}
                frames.append(frame(chunk))
            if frames:
                yield b"".join(frames)
    if tool_input:
        value = decode("".join(tool_input).encode())
        yield frame({"type": "tool-input-available", "toolCallId": "0", "input": value})
    yield frame({"type": "text-end", "id": "0"}) + frame({"type": "finish"}) + b"data: [DONE]\n\n"


async def chat(request: Request) -> StreamingResponse:
    body = decode(await request.body())
    prompt = body["messages"][-1]["parts"][0]["text"]
    return StreamingResponse(stream(prompt), media_type="text/event-stream")


app = Starlette(routes=[Route("/api/chat", chat, methods=["POST"])])
