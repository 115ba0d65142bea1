"""The model behind a backend that the conformance suite judges: the scripts of its contract.

    with conformance_model(pace=0.05) as provider:
        AsyncAnthropic(base_url=provider.url, api_key="any")

`python tests/harness/conformance_model.py` prints its URL, and serves until its input is closed.
"""

from __future__ import annotations

import re
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.harness.fake_provider import (
    FakeProvider,
    Pause,
    RecordedRequest,
    Reply,
    error_event,
    http_error,
    message,
    text,
    thinking,
    tool_use,
)

__all__ = ["conformance_model"]

SECRET = "conformance-secret"
MODEL = "claude-sonnet-4-5"
#: Script -> the tool that it calls, and its input.
_TOOLS: dict[str, tuple[str, dict[str, Any]]] = {
    "tool": ("look_up", {"word": "tea"}),
    "nothing": ("forget", {"word": "tea"}),
    "failing": ("fail", {"word": "tea"}),
    "client-tool": ("browser_time", {"zone": "UTC"}),
    "approval": ("send_postcard", {"to": "Ada"}),
    "data": ("report", {"word": "tea"}),
}
_PIECES = 20


@contextmanager
def conformance_model(*, pace: float = 0.1) -> Iterator[FakeProvider]:
    """Serve the scripts.

    Args:
        pace: Seconds between the pieces of a long response.
    """
    with FakeProvider() as provider:
        # Not all peers send what the real API would accept, which is not judged here.
        provider.strict = False

        def reply(request: RecordedRequest) -> Reply:
            return _reply(request, provider, pace)

        provider.on(reply)
        yield provider


def _reply(request: RecordedRequest, provider: FakeProvider, pace: float) -> Reply:
    match = re.search(r"conformance: ([\w-]+)(?: ([\d.]+))?", request.last_text)
    script = match[1] if match else "text"
    tool_names = {tool["name"] for tool in request.json.get("tools", ())}
    if script in _TOOLS and _TOOLS[script][0] not in tool_names:
        script = "text"  # no model calls a tool that it does not have
    answer_text = text("This is ", "the scripted ", "model.")
    if _has_only_tool_results(request.json["messages"][-1]):
        return Reply(message(answer_text, model=MODEL))
    match script:
        case "reasoning":
            return Reply(message(thinking("Hm", "."), answer_text, model=MODEL))
        case "error-before":
            return http_error(529, "overloaded_error", f"Overloaded: {SECRET}")
        case "error-after":
            return Reply(
                [*message(answer_text, model=MODEL)[:4], error_event(text=f"Failed: {SECRET}")]
            )
        case "cut":
            return Reply(message(answer_text, model=MODEL)[:4])
        case "long":
            pieces = [f"scripted piece {number} " for number in range(_PIECES)]
            return Reply(message(text(*pieces), model=MODEL), pace=pace)
        case "long-input" if "browser_time" in tool_names:
            pieces = ['{"zone":"', *("UTC " for _ in range(_PIECES)), '"}']
            call = tool_use(_call_id(provider), "browser_time", pieces=pieces)
            return Reply(message(call, stop_reason="tool_use", model=MODEL), pace=pace)
        case "silence":
            threading.Timer(float(match[2] or 1) if match else 1, provider.release).start()
            start, *rest = message(answer_text, model=MODEL)
            return Reply([start, Pause(), *rest])
        case _ if script in _TOOLS:
            name, tool_input = _TOOLS[script]
            call = tool_use(_call_id(provider), name, tool_input)
            return Reply(message(call, stop_reason="tool_use", model=MODEL))
        case _:
            return Reply(message(answer_text, model=MODEL))


def _call_id(provider: FakeProvider) -> str:
    return f"toolu_{len(provider.requests)}"


def _has_only_tool_results(turn: dict[str, Any]) -> bool:
    content = turn["content"]
    return isinstance(content, list) and all(block["type"] == "tool_result" for block in content)


if __name__ == "__main__":
    with conformance_model() as served:
        print(served.url, flush=True)
        sys.stdin.read()
