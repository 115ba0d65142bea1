"""An MCP server of the previous protocol: `initialize`, sessions, notifications of changes.

`python mcp_legacy.py` serves over stdio, `app` over streamable HTTP. `MCP_TOOLS` has further
tools as a JSON list; the `result` of each is what a call of it responds with.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

# Not imported: this file also runs as a script, which cannot import `tests`.
JSON = dict[str, Any]

CHANGED: JSON = {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}
tools: list[JSON] = [{"name": "grow", "inputSchema": {"type": "object"}}]
results: dict[str, Any] = {}
for given in json.loads(os.environ.get("MCP_TOOLS", "[]")):
    results[given["name"]] = given.pop("result")
    tools.append(given)
#: the known sessions; "restart" clears them
sessions: list[str] = []


def respond(message: JSON) -> JSON | None:
    """Return the response to a request, and None to a notification."""
    if "id" not in message:
        return None
    result: Any = None
    match message["method"]:
        case "initialize":
            version = message["params"]["protocolVersion"]
            capabilities = {"tools": {"listChanged": True}}
            about = {"name": "legacy", "version": "1"}
            result = {
                "protocolVersion": version,
                "capabilities": capabilities,
                "serverInfo": about,
            }
        case "tools/list":
            result = {"tools": tools}
        case "tools/call":
            called = message["params"]["name"]
            if called == "grow":
                tools.append({"name": f"tool{len(tools)}", "inputSchema": {"type": "object"}})
            result = {"content": [{"type": "text", "text": f"{called} was called"}]}
            result = results.get(called, result)
    if result is None:
        error = {"code": -32601, "message": "Method not found"}
        return {"jsonrpc": "2.0", "id": message["id"], "error": error}
    return {"jsonrpc": "2.0", "id": message["id"], "result": result}


async def post(request: Request) -> Response:
    message = await request.json()
    if message.get("method") == "restart":
        sessions.clear()
        return Response(status_code=202)
    begins = message.get("method") == "initialize"
    if begins:
        sessions.append(f"session-{len(sessions)}-{id(message)}")
    elif request.headers.get("mcp-session-id") not in sessions:
        return Response(status_code=404 if "mcp-session-id" in request.headers else 400)
    response = respond(message)
    if response is None:
        return Response(status_code=202)
    if user := request.headers.get("x-user"):
        response["result"]["_meta"] = {"user": user}
    return JSONResponse(response, headers={"mcp-session-id": sessions[-1]} if begins else {})


async def other(_: Request) -> Response:
    return Response(status_code=405)


app = Starlette(
    routes=[Route("/mcp", post, methods=["POST"]), Route("/mcp", other, methods=["GET", "DELETE"])]
)

if __name__ == "__main__":
    for line in sys.stdin:
        message = json.loads(line)
        if message.get("params", {}).get("name") == "grow":
            # As servers do, before the response to the call.
            response = respond(message)
            print(json.dumps(CHANGED), json.dumps(response), sep="\n", flush=True)
        elif (response := respond(message)) is not None:
            print(json.dumps(response), flush=True)
