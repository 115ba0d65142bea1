"""ai-sdk-stream-python, as its README writes a route, around a loop that calls Claude."""

import json
from typing import Any

from ai_sdk_stream_python import StreamContext
from anthropic import AsyncAnthropic
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse

app = FastAPI()
client = AsyncAnthropic()


def fail(word: str) -> str:
    raise RuntimeError(f"conformance-secret: {word}")


TOOLS = {"look_up": lambda word: f"{word}: a word", "forget": lambda word: None, "fail": fail}
SCHEMA = {"type": "object", "properties": {"word": {"type": "string"}}, "required": ["word"]}


def history(messages: list[Any]) -> list[Any]:
    """Return the texts of the messages."""
    turns = []
    for message in messages:
        texts = [part["text"] for part in message["parts"] if part["type"] == "text"]
        turns.append({"role": message["role"], "content": "\n".join(texts) or "-"})
    return turns


async def respond(ctx: StreamContext, turns: list[Any]) -> None:
    while True:
        async with client.messages.stream(
            model="claude-sonnet-4-5",
            max_tokens=1000,
            messages=turns,
            tools=[{"name": name, "input_schema": SCHEMA} for name in TOOLS],
        ) as stream:
            async for event in stream:
                if event.type == "text":
                    await ctx.write_text(event.text)
                elif event.type == "thinking":
                    await ctx.write_reasoning(event.thinking)
            message = await stream.get_final_message()
        calls = [block for block in message.content if block.type == "tool_use"]
        if not calls:
            return
        results = []
        for call in calls:
            handle = await ctx.begin_tool_call(call.name, call.input)
            try:
                output = TOOLS[call.name](**call.input)
                await ctx.complete_tool_call(handle.toolCallId, output)
                results.append(
                    {"type": "tool_result", "tool_use_id": call.id, "content": json.dumps(output)}
                )
            except Exception as error:
                await ctx.fail_tool_call(handle.toolCallId, str(error))
                results.append(
                    {"type": "tool_result", "tool_use_id": call.id, "content": str(error)}
                )
        turns = [
            *turns,
            {"role": "assistant", "content": message.content},
            {"role": "user", "content": results},
        ]
        await ctx.new_step()


@app.post("/api/chat")
async def chat(request: Request) -> StreamingResponse:
    turns = history((await request.json())["messages"])
    ctx: StreamContext[Any] = StreamContext()
    await ctx.run(lambda ctx: respond(ctx, turns))
    return StreamingResponse(
        ctx.stream(), media_type="text/event-stream", headers=ctx.response_headers
    )
