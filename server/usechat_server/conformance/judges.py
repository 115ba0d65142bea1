"""Whether a response breaks the rules that its bytes alone do not show."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

from ui_message_stream.chunks import Data, Finish, MessageMetadata, Start, TextDelta
from ui_message_stream.messages import ReasoningPart
from ui_message_stream.schema import UNSET

from usechat_server.conformance.recording import Recording
from usechat_server.conformance.step_types import Shows

__all__ = ["JUDGES", "MISSING", "SECRET", "accepted", "closing", "refused"]

#: What the provider's errors and the failing tool say, and users should not read.
SECRET = "conformance-secret"  # noqa: S105
#: Seconds that a stream may stay open after `[DONE]`.
_CLOSING_SECONDS = 2.0
#: Seconds that a stream may be silent: 15, and what a timer and the network add.
_KEEP_ALIVE_SECONDS = 17.0
#: Characters of a text that users read.
_MAX_TEXT = 500


def _has_open_call(recording: Recording) -> bool:
    return any(call.state == "input-available" for call in recording.calls)


def _has_metadata(recording: Recording) -> bool:
    return any(
        isinstance(chunk, (Start, Finish, MessageMetadata))
        and chunk.message_metadata is not UNSET
        and chunk.message_metadata is not None
        for chunk in recording.chunks
    )


#: What a response has to show -> whether it does, and what is missing if not.
MISSING: Mapping[Shows, tuple[Callable[[Recording], bool], str]] = {
    "text": (lambda r: bool(r.text), "no text"),
    "reasoning": (
        lambda r: any(isinstance(part, ReasoningPart) for part in r.message.parts),
        "no reasoning",
    ),
    "call": (lambda r: bool(r.calls), "no tool call"),
    "client call": (_has_open_call, "no call of a tool that the client runs"),
    "approval": (
        lambda r: any(call.state == "approval-requested" for call in r.calls),
        "no approval request",
    ),
    "data": (lambda r: any(isinstance(chunk, Data) for chunk in r.chunks), "no `data-NAME` chunk"),
    "metadata": (_has_metadata, "no message metadata"),
    "failure": (lambda r: not r.text, "a text, as if nothing had failed"),
    # A fast model that thought for a while looks like a buffered response.
    "time": (
        lambda r: "scripted" in r.text and r.response.seconds >= 1,
        "no text with the word `scripted` over two seconds",
    ),
    "marker": (lambda r: "scripted" in r.text, "no text with the word `scripted`"),
}


def _message_id(recording: Recording) -> Iterator[str]:
    if not recording.message_id:
        yield "`start` has no `messageId`"


def _content_type(recording: Recording) -> Iterator[str]:
    value = recording.response.headers.get("content-type", "")
    if value.partition(";")[0].strip().lower() != "text/event-stream":
        yield f"content-type: {value or 'missing'}"


def _protocol_header(recording: Recording) -> Iterator[str]:
    name = "x-vercel-ai-ui-message-stream"
    if recording.response.headers.get(name) != "v1":
        yield f"{name}: {recording.response.headers.get(name, 'missing')}"


def _buffering_headers(recording: Recording) -> Iterator[str]:
    headers = recording.response.headers
    cache_control = headers.get("cache-control", "missing")
    if "no-cache" not in cache_control and "no-store" not in cache_control:
        yield f"cache-control: {cache_control}"
    if headers.get("x-accel-buffering") != "no":
        yield f"x-accel-buffering: {headers.get('x-accel-buffering', 'missing')}"


def _tool_output(recording: Recording) -> Iterator[str]:
    for call in recording.calls:
        if call.state not in ("output-available", "output-error"):
            yield f"the call {call.tool_call_id!r} of {call.tool_name!r} is left in {call.state}"


def _tool_failure(recording: Recording) -> Iterator[str]:
    if recording.is_error:
        yield f"the run failed with its tool: {recording.error_text():.200}"
    elif all(call.state != "output-error" for call in recording.calls):
        states = ", ".join(call.state for call in recording.calls)
        yield f"no tool call has the state output-error, but {states}"


def _error_shown(recording: Recording) -> Iterator[str]:
    if not recording.is_error:
        yield f"the model failed, and the stream ends with {_end(recording)}"


def _cut_shown(recording: Recording) -> Iterator[str]:
    end = recording.end
    is_interrupted = isinstance(end, Finish) and end.finish_reason == "interrupted"
    if not recording.is_error and not is_interrupted:
        yield f"the model's response was cut, and the stream ends with {_end(recording)}"


def _end(recording: Recording) -> str:
    end = recording.end
    if isinstance(end, Finish):
        return f"`finish` ({end.finish_reason or 'without a reason'})"
    return f"`{end.type}`" if end else "nothing"


def _error_private(recording: Recording) -> Iterator[str]:
    texts = [recording.error_text(), *(call.error_text or "" for call in recording.calls)]
    for text in texts:
        if SECRET in text:
            yield f"the user reads what the provider or the tool said: {text:.200}"


def _refusal_text(recording: Recording) -> Iterator[str]:
    if not recording.is_plain_text:
        return
    text = recording.error_text()
    if not text.strip():
        yield f"the body of the {recording.response.status} is empty: users read an empty message"
    elif len(text) > _MAX_TEXT:
        yield f"the body of the {recording.response.status} has {len(text):,} characters"
    elif "<html" in text.lower() or "Traceback" in text:
        yield f"the body of the {recording.response.status} is not for users: {text:.100}"


def _streaming(recording: Recording) -> Iterator[str]:
    times = [
        seconds
        for chunk, seconds in zip(recording.chunks, recording.chunk_times, strict=True)
        if isinstance(chunk, TextDelta)
    ]
    if not recording.is_error and times and times[-1] - times[0] < 0.5:
        yield (
            f"the first text arrived after {times[0]:.1f} s, and the last one "
            f"{times[-1] - times[0]:.1f} s later: it was buffered"
        )


def _keep_alive(recording: Recording) -> Iterator[str]:
    first = next(
        (
            seconds
            for chunk, seconds in zip(recording.chunks, recording.chunk_times, strict=True)
            if isinstance(chunk, TextDelta)
        ),
        0.0,
    )
    times = [0.0, *(seconds for seconds, _ in recording.times if seconds <= first)]
    longest = max((b - a for a, b in pairwise(times)), default=0.0)
    if not recording.is_error and longest > _KEEP_ALIVE_SECONDS:
        yield f"no byte arrived for {longest:.1f} s"


def closing(recording: Recording) -> Iterator[str]:
    """Yield what is wrong if the connection stays open after the end."""
    if recording.done_at is None:
        return
    seconds = recording.response.seconds - recording.done_at
    if seconds > _CLOSING_SECONDS:
        yield f"the response stayed open for {seconds:.1f} s after `[DONE]`"


def accepted(recording: Recording) -> Iterator[str]:
    """Yield what is wrong if a request that a client sends is refused."""
    if recording.response.status != 200:
        yield f"status {recording.response.status}: {' '.join(recording.error_text().split()):.200}"
    elif recording.is_error:
        yield f"`error`: {recording.error_text():.200}"


def refused(recording: Recording) -> Iterator[str]:
    """Yield what is wrong if a body that is no request is not refused."""
    status = recording.response.status
    if status >= 500:
        yield f"status {status}, as if the server had failed"
    elif status < 400 and not recording.is_error:
        yield f"status {status} without an `error` chunk"


#: Rule -> what is wrong with a response, if the scenario asks.
JUDGES: Mapping[str, Callable[[Recording], Iterator[str]]] = {
    "message-id": _message_id,
    "content-type": _content_type,
    "protocol-header": _protocol_header,
    "buffering-headers": _buffering_headers,
    "tool-output": _tool_output,
    "tool-failure": _tool_failure,
    "error-shown": _error_shown,
    "cut-shown": _cut_shown,
    "error-private": _error_private,
    "refusal-text": _refusal_text,
    "streaming": _streaming,
    "keep-alive": _keep_alive,
}
