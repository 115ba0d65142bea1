"""The allowed differences of our chunks from the reference's, with reasons: one table."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.server.providers.anthropic.recordings import Recording
from tests.server.providers.normal_form import Chunks

__all__ = ["DIFFERENCES", "Pair"]

_UNREADABLE = re.compile(r"AI_TypeValidationError|(text|reasoning) part .* not found")
_PROSE = {"text": "text", "compaction": "text", "thinking": "reasoning"}
_EXECUTION_ERRORS = (
    "bash_code_execution_tool_result_error",
    "text_editor_code_execution_tool_result_error",
)


@dataclass
class Pair:
    """The reference's chunks and ours, of one recording. A difference rewrites the reference's to
    what we should send, and removes from ours what the reference does not have."""

    recording: Recording
    major: int
    reference: Chunks
    ours: Chunks


def unreadable_events(pair: Pair) -> None:
    reference: Chunks = []
    open_ids: set[str] = set()
    for chunk in pair.reference:
        kind = chunk["type"]
        if kind == "error" and _UNREADABLE.fullmatch(chunk["errorText"]):
            continue
        if kind in ("text-start", "reasoning-start"):
            open_ids.add(chunk["id"])
        elif kind.startswith(("text-", "reasoning-")) and chunk["id"] not in open_ids:
            continue
        reference.append(chunk)
    if len(reference) < len(pair.reference):
        call_ids = {chunk["toolCallId"] for chunk in reference if "tool-output" in chunk["type"]}
        pair.ours = [
            chunk
            for chunk in pair.ours
            if "tool-output" not in chunk["type"] or chunk["toolCallId"] in call_ids
        ]
    pair.reference = reference


def crash(pair: Pair) -> None:
    for at, chunk in enumerate(pair.reference):
        if chunk["type"] == "error" and chunk["errorText"] == "TypeError":
            pair.reference = pair.reference[:at]
            pair.ours = pair.ours[:at]
            return


def content_in_start(pair: Pair) -> None:
    blocks = (
        block for block in pair.recording.blocks if block["type"] in (*_PROSE, "redacted_thinking")
    )
    reference: Chunks = []
    for at, chunk in enumerate(pair.reference):
        reference.append(chunk)
        if chunk["type"] not in ("text-start", "reasoning-start"):
            continue
        block = next(blocks)
        text = block.get("text") or block.get("thinking") or block.get("content")
        delta = {"type": chunk["type"].replace("start", "delta"), "id": chunk["id"]}
        if text and pair.reference[at + 1] != {**delta, "delta": text}:
            reference.append({**delta, "delta": text})
        if block["type"] == "thinking" and (signature := block.get("signature")):
            metadata = {"anthropic": {"signature": signature}}
            reference.append({**delta, "delta": "", "providerMetadata": metadata})
    pair.reference = reference


def lost_citations(pair: Pair) -> None:
    citation_lists = iter(_citations(pair.recording))
    for chunk in pair.reference:
        if chunk["type"] == "text-end" and (citations := next(citation_lists, None)):
            chunk["providerMetadata"] = {"anthropic": {"citations": citations}}
    if pair.major == 6:
        pair.ours = [
            chunk
            for chunk in pair.ours
            if chunk["type"] != "source-url"
            or "title" in chunk
            or "citedText" not in chunk["providerMetadata"]["anthropic"]
        ]


def streamed_mcp_input(pair: Pair) -> None:
    inputs: dict[str, str] = {}
    block: dict[str, Any] = {}
    for event in pair.recording.events:
        if event["type"] == "content_block_start":
            block = event["content_block"]
        elif block.get("type") == "mcp_tool_use" and event["type"] == "content_block_delta":
            inputs[block["id"]] = inputs.get(block["id"], "") + event["delta"]["partial_json"]
    calls = {block["id"] for block in pair.recording.blocks if block["type"] == "mcp_tool_use"}
    for chunk in pair.reference:
        if chunk["type"] == "tool-input-available" and inputs.get(chunk["toolCallId"]):
            chunk["input"] = json.loads(inputs[chunk["toolCallId"]])
    pair.ours = [
        chunk
        for chunk in pair.ours
        if chunk["type"] not in ("tool-input-start", "tool-input-delta")
        or chunk["toolCallId"] not in calls
    ]


def execution_errors(pair: Pair) -> None:
    for chunk in pair.reference:
        output = chunk.get("output")
        if isinstance(output, dict) and output.get("type") in _EXECUTION_ERRORS:
            del chunk["output"]
            error = {"type": output["type"], "errorCode": output["error_code"]}
            chunk.update(type="tool-output-error", errorText=json.dumps(error))
    for chunk in _provider_errors(pair.ours):
        error = _json(chunk["errorText"])
        if isinstance(error, dict):
            # Both spellings can be sent back to the provider unchanged.
            names = {"error_code": "errorCode", "error_message": "errorMessage"}
            error = {names.get(key, key): value for key, value in error.items()}
            error.pop("errorMessage", None)
            chunk["errorText"] = json.dumps(error)


def one_error_per_call(pair: Pair) -> None:
    failed = {c["toolCallId"] for c in pair.reference if c["type"] == "tool-input-error"}
    pair.reference = [
        chunk
        for chunk in pair.reference
        if chunk["type"] != "tool-output-error"
        or chunk["toolCallId"] not in failed
        or chunk.get("providerExecuted")
    ]
    for chunk in pair.reference + pair.ours:
        if chunk["type"] == "tool-input-error":
            chunk.pop("errorText", None)


def schemas_of_provider_tools(pair: Pair) -> None:
    for chunk in pair.reference:
        if chunk["type"] == "tool-input-error" and chunk.get("providerExecuted"):
            chunk["type"] = "tool-input-available"
            chunk.pop("errorText", None)


def errors_end_the_stream(pair: Pair) -> None:
    ends = [at for at, chunk in enumerate(pair.reference) if chunk["type"] == "error"]
    if ends:
        del pair.reference[ends[0] :]
    elif not pair.recording.ends:
        # The end of the last step and of the stream.
        del pair.reference[-2:]
    else:
        return
    while pair.reference and pair.reference[-1]["type"] in (
        "tool-input-error",
        "tool-output-error",
    ):
        pair.reference.pop()
    pair.reference.append({"type": "error"})


def compaction_details(pair: Pair) -> None:
    for chunks in (pair.reference, pair.ours):
        compacted: set[str] = set()
        for chunk in chunks:
            if chunk["type"] == "text-start":
                compacted.discard(chunk["id"])
                metadata = chunk.get("providerMetadata", {}).get("anthropic", {})
                if metadata.get("type") == "compaction":
                    compacted.add(chunk["id"])
                    chunk["providerMetadata"] = {"anthropic": {"type": "compaction"}}
            elif chunk["type"] in ("text-delta", "text-end") and chunk["id"] in compacted:
                chunk.pop("providerMetadata", None)


def stripped_fields(pair: Pair) -> None:
    for chunk in pair.ours:
        output = chunk.get("output")
        if pair.major == 7:
            continue
        if "mcp-tool-use" in str(chunk.get("providerMetadata")):
            if isinstance(output, list):
                chunk["output"] = [_without_citations(item) for item in output]
            elif isinstance(error := _json(chunk.get("errorText", "")), list):
                chunk["errorText"] = json.dumps([_without_citations(item) for item in error])


def our_own(pair: Pair) -> None:
    known = {chunk["kind"] for chunk in pair.reference if chunk["type"] == "custom"}
    pair.ours = [
        {key: value for key, value in chunk.items() if key != "messageMetadata"}
        for chunk in pair.ours
        if chunk["type"] != "message-metadata"
        and (chunk["type"] != "custom" or chunk["kind"] in known)
    ]


@dataclass(frozen=True)
class Difference:
    reference: str
    reason: str
    apply: Callable[[Pair], None]


#: What the reference does, why we differ, and how the two are compared nevertheless.
DIFFERENCES = (
    Difference(
        "has nothing for container uploads and tool listings",
        "the next request needs the blocks",
        our_own,
    ),
    Difference(
        "sends `error` for an event, block, delta or citation that its schemas do not know",
        "every client stops at `error`, and a newer API must not break older servers. Values that "
        "this server can read and the AI SDK cannot (nulls in a fetched page, text from MCP) are "
        "sent to the client",
        unreadable_events,
    ),
    Difference(
        "stops with a TypeError when an MCP result arrives in a later response than its call",
        "the AI SDK only remembers the calls of one response",
        crash,
    ),
    Difference(
        "drops the text, thinking, signature or compaction that `content_block_start` contains",
        "they are part of the response, and the API rejects unsigned thinking",
        content_in_start,
    ),
    Difference(
        "keeps the original of web citations only (6), and only of those it can read",
        "text is sent back with its original citations",
        lost_citations,
    ),
    Difference(
        "takes an MCP call's input from its start, and loses what is streamed",
        "the API streams the input; otherwise the call would have none, in the client and in the "
        "next request",
        streamed_mcp_input,
    ),
    Difference(
        "shows an error of the bash or text editor tool as an output",
        "the same failure of every other tool is an error; clients must not display it as a "
        "success",
        execution_errors,
    ),
    Difference(
        "has its own schemas for the provider's tools, and sends an input error where they do "
        "not fit",
        "the provider accepted the input and executes the call; newer commands are not errors",
        schemas_of_provider_tools,
    ),
    Difference(
        "sends an output error after an input error (6), and has its own error texts",
        "one failure is one error, as in 7; its text is the one that the model gets",
        one_error_per_call,
    ),
    Difference(
        "continues after `error` with `finish-step` and `finish`, leaves blocks open, and ends a "
        "truncated response as complete",
        "clients stop reading at `error`, so open blocks end before it; a truncated response is "
        "a failure",
        errors_end_the_stream,
    ),
    Difference(
        "drops the signature (6), the encrypted content and the tool changes of a compaction",
        "the API needs the block back unchanged",
        compaction_details,
    ),
    Difference(
        "strips the citations from the content that an MCP server's tool returns (6)",
        "blocks are sent back unchanged",
        stripped_fields,
    ),
)


def _citations(recording: Recording) -> Iterator[list[Any]]:
    """The citations of each text block, in order."""
    citations: list[Any] | None = None
    for event in recording.events:
        if event["type"] == "content_block_start":
            kind = event["content_block"]["type"]
            citations = [] if _PROSE.get(kind) == "text" else None
        elif event.get("delta", {}).get("type") == "citations_delta" and citations is not None:
            citations.append(event["delta"]["citation"])
        elif event["type"] == "content_block_stop" and citations is not None:
            yield citations
            citations = None


def _provider_errors(chunks: Chunks) -> Iterator[dict[str, Any]]:
    for chunk in chunks:
        if chunk["type"] == "tool-output-error" and chunk.get("providerExecuted"):
            yield chunk


def _json(text: str) -> Any:
    """The JSON value of a text; None if it is not JSON."""
    with contextlib.suppress(ValueError):
        return json.loads(text)
    return None


def _without_citations(item: Any) -> Any:
    if isinstance(item, dict):
        return {key: value for key, value in item.items() if key != "citations"}
    return item
