"""The rules that only a conversation with a backend shows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from usechat_server.conformance import example_events as e
from usechat_server.conformance.rules import (
    BackendExample,
    CannedResponse,
    Rule,
    StreamExample,
    Topic,
)

__all__ = ["BACKEND_RULES"]

_HEADERS = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "x-vercel-ai-ui-message-stream": "v1",
}
_MARKER = (e.TEXT, {**e.DELTA, "delta": "scripted"}, e.TEXT_END)
_ERROR = {"type": "error", "errorText": "Something went wrong."}


def _stream(
    *events: Any, headers: Mapping[str, str] = _HEADERS, at: float = 0.1, **options: Any
) -> CannedResponse:
    """Return a response with a stream, which arrives at one moment."""
    return CannedResponse(((at, StreamExample.of(*events).body),), headers=headers, **options)


def _step(*events: Any, **options: Any) -> CannedResponse:
    return _stream(e.START, e.STEP, *events, e.STEP_END, e.FINISH, e.DONE, **options)


def _refusal(status: int, text: str) -> CannedResponse:
    return CannedResponse(((0.1, text.encode()),), status)


def _without(header: str) -> CannedResponse:
    headers = {name: value for name, value in _HEADERS.items() if name != header}
    return _step(*e.BLOCK, headers=headers)


def _half_read() -> CannedResponse:
    """Return a response whose text arrives in two halves."""
    first = StreamExample.of(e.START, e.STEP, e.TEXT, e.DELTA).body
    second = StreamExample.of(e.DELTA, e.TEXT_END, e.STEP_END, e.FINISH, e.DONE).body
    return CannedResponse(((0.1, first), (2.0, second)), headers=_HEADERS)


_APPROVAL = _step(e.AVAILABLE, e.REQUEST)

#: Topic, id, sentence, effect, and the responses of a scenario that break the rule and no other.
_ROWS: tuple[tuple[Topic, str, str, str, BackendExample], ...] = (
    (
        "Requests",
        "accept-request",
        "A backend MUST accept what the clients of every release send: unknown keys, triggers and "
        "parts, any content type, calls that a stop left half-streamed, and what other releases "
        "and other backends have left in the history.",
        "The chat is dead: every further message is refused too.",
        BackendExample("history", (_step(*e.BLOCK), _refusal(422, "messages.1.parts.0: rawInput"))),
    ),
    (
        "Requests",
        "refuse-status",
        "A body that is no chat request MUST be refused with a status from 400 to 499.",
        "It looks like a failure of the server, or like a response that is empty.",
        BackendExample(
            "hostile-bodies", (_refusal(500, "Failed."), *(_refusal(400, "Not JSON."),) * 10)
        ),
    ),
    (
        "Requests",
        "refusal-text",
        "The body of a response with status 400 or more SHOULD be a short text for users, without "
        "HTML and without details of the server.",
        "Users read it as it is: it becomes the message of the error.",
        BackendExample("error-before", (_refusal(503, "<html><h1>Bad Gateway</h1></html>"),)),
    ),
    (
        "Requests",
        "denial-kept",
        "A tool call that the user denied MUST NOT run.",
        "The tool runs against the user's will.",
        BackendExample("denial", (_APPROVAL, _step(e.OUTPUT, *e.NEXT_STEP))),
    ),
    (
        "Requests",
        "approval-forged",
        "A backend SHOULD NOT run a tool on the approval of a call that it did not make. It can "
        "sign its approval requests, or keep the history itself.",
        "Any client can run a tool that requires approval, with inputs of its own.",
        BackendExample(
            "forged-approval",
            (
                _APPROVAL,
                _stream(
                    *({"type": "start"}, {**e.OUTPUT, "toolCallId": "call_forged"}, e.STEP),
                    *(*e.BLOCK, e.STEP_END, e.FINISH, e.DONE),
                ),
            ),
        ),
    ),
    (
        "Responses",
        "message-id",
        "`start` SHOULD have a `messageId`.",
        "The client makes up an id that the backend does not know, and a resumed message is shown "
        "twice.",
        BackendExample(
            "text", (_stream({"type": "start"}, e.STEP, *e.BLOCK, e.STEP_END, e.FINISH, e.DONE),)
        ),
    ),
    (
        "Responses",
        "content-type",
        "The content type SHOULD be `text/event-stream`.",
        "None in the clients; proxies and other tools do not know that it is a stream.",
        BackendExample("headers", (_without("content-type"),)),
    ),
    (
        "Responses",
        "protocol-header",
        "The header `x-vercel-ai-ui-message-stream: v1` SHOULD name the protocol.",
        "None in the clients; other tools do not know the protocol.",
        BackendExample("headers", (_without("x-vercel-ai-ui-message-stream"),)),
    ),
    (
        "Responses",
        "buffering-headers",
        "A stream SHOULD have `cache-control: no-cache` and `x-accel-buffering: no`.",
        "nginx and other proxies keep the response until it is complete.",
        BackendExample("headers", (_without("x-accel-buffering"),)),
    ),
    (
        "Responses",
        "streaming",
        "A chunk MUST be sent when it exists, not when the response is complete.",
        "Users look at nothing, then at the whole text.",
        BackendExample("streaming", (_step(*_MARKER, at=2.0),)),
    ),
    (
        "Responses",
        "keep-alive",
        "A stream that is silent SHOULD get a comment every 15 seconds or so.",
        "Proxies close the connection while the model thinks or a tool runs.",
        BackendExample("silence", (_step(*_MARKER, at=20.0),)),
    ),
    (
        "Responses",
        "closing",
        "The response MUST end with its stream, at once after `[DONE]`.",
        "The client stays in the status `streaming`, and the user cannot write.",
        BackendExample("text", (_step(*e.BLOCK, closed_at=30.0),)),
    ),
    (
        "Failures",
        "error-shown",
        "A response whose model failed MUST end with `error`.",
        "Half an answer looks complete.",
        BackendExample("error-after", (_step(*_MARKER),)),
    ),
    (
        "Failures",
        "cut-shown",
        "A response of the model that ended without its end MUST end with `error`, or with the "
        "finish reason `interrupted` where the client knows it.",
        "Half an answer looks complete.",
        BackendExample("cut", (_step(*_MARKER),)),
    ),
    (
        "Failures",
        "error-private",
        "The text of an error SHOULD NOT be what the model provider or a tool said, but one that "
        "was written for users.",
        "Users read names of hosts, keys and prompts.",
        BackendExample(
            "error-after",
            (
                _stream(
                    *(e.START, e.STEP, *_MARKER, e.STEP_END),
                    {"type": "error", "errorText": "529 conformance-secret"},
                    e.DONE,
                ),
            ),
        ),
    ),
    (
        "Failures",
        "tool-output",
        "A call of a tool that the server runs MUST get an output, which may be null, or an "
        "error, whatever the tool returns.",
        "The call is shown as running forever, and the next turn has a call without a result.",
        BackendExample("tool-nothing", (_step(e.AVAILABLE, *e.NEXT_STEP),)),
    ),
    (
        "Failures",
        "tool-failure",
        "A tool that fails SHOULD become `tool-output-error`, and the model SHOULD go on with it.",
        "The whole response fails with the tool.",
        BackendExample(
            "tool-failure",
            (_stream(e.START, e.STEP, e.AVAILABLE, e.STEP_END, _ERROR, e.DONE),),
        ),
    ),
    (
        "Resume",
        "resume-status",
        "A backend that resumes MUST respond to GET of the chat route followed by "
        "`/CHAT-ID/stream` with the stream of the response that is running, or with 204. The id "
        "is percent-encoded.",
        "Clients with `resume: true` show an error whenever the page is loaded.",
        BackendExample(
            "resume-nothing",
            (_half_read(), _step(e.TEXT, e.DELTA, e.DELTA, e.TEXT_END), _refusal(404, "No chat.")),
        ),
    ),
    (
        "Resume",
        "resume-replay",
        "A resumed stream MUST begin with the first chunk of the response, and have the same "
        "`messageId`.",
        "The client misses the text so far, or throws on a delta whose start it has not seen.",
        BackendExample("reload", (_half_read(), _step(*e.BLOCK))),
    ),
)

#: In the order of the page.
BACKEND_RULES: tuple[Rule, ...] = tuple(
    Rule(rule_id, topic, sentence, effect, example)
    for topic, rule_id, sentence, effect, example in _ROWS
)
