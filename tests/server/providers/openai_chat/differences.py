"""The allowed differences of our chunks from the reference's, with reasons: one table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.server.providers.normal_form import Chunks
from tests.server.providers.openai_chat.recordings import Recording

__all__ = ["DIFFERENCES", "Pair"]


@dataclass
class Pair:
    """The reference's chunks and ours, of one recording. A difference rewrites the reference's to
    what we should send, and removes from ours what the reference does not have."""

    recording: Recording
    reference: Chunks
    ours: Chunks


@dataclass(frozen=True)
class Difference:
    """A row of the table in the docs."""

    reference: str
    reason: str
    apply: Callable[[Pair], None]


def reasoning_field(pair: Pair) -> None:
    for chunk in pair.ours:
        metadata = chunk.get("providerMetadata", {})
        if chunk["type"] == "reasoning-start" and metadata.keys() == {"openaiChat"}:
            del chunk["providerMetadata"]


def empty_text(pair: Pair) -> None:
    reference: Chunks = []
    for chunk in pair.reference:
        if chunk["type"] == "text-end":
            own = [c for c in reference if c.get("id") == chunk["id"]]
            if not any(c.get("delta") for c in own):
                reference = [c for c in reference if c not in own]
                continue
        reference.append(chunk)
    pair.reference = reference


def errors(pair: Pair) -> None:
    for at, chunk in enumerate(pair.reference):
        if chunk["type"] == "error" or chunk.get("finishReason") == "interrupted":
            pair.reference = [c for c in pair.reference[:at] if c["type"] != "finish-step"]
            if chunk["type"] != "error":
                pair.reference.pop()  # the end of the open part
            pair.reference.append({"type": "error"})
            return


def input_errors(pair: Pair) -> None:
    texts = {
        "AI_InvalidToolInputError": "The input of the tool {} is not valid JSON.",
        "AI_NoSuchToolError": "There is no tool {}.",
    }
    for chunk in pair.reference:
        if chunk["type"] == "tool-input-error":
            chunk["errorText"] = texts[chunk["errorText"]].format(chunk["toolName"])
        elif chunk.get("dynamic") is False:
            chunk["dynamic"] = True


def finish_reasons(pair: Pair) -> None:
    last, before = pair.reference[-1], pair.reference[-3:-1]
    reason = pair.recording.last_finish_reason
    if any(chunk["type"] == "tool-input-available" for chunk in before):
        last["finishReason"] = "tool-calls"
    elif reason in ("eos", "tool_calls"):
        last["finishReason"] = "stop"


def old_function_call(pair: Pair) -> None:
    if any("function_call" in delta for delta in pair.recording.deltas):
        pair.ours = [c for c in pair.ours if not c["type"].startswith("tool-input")]


def repeated_ids(pair: Pair) -> None:
    ids = [c["toolCallId"] for c in pair.reference if c["type"] == "tool-input-start"]
    ours = [c["toolCallId"] for c in pair.ours if c["type"] == "tool-input-start"]
    generated = {each: own for each, own in zip(ids, ours, strict=False) if len(each) == 16}
    for chunk in pair.reference:
        if chunk.get("toolCallId") in generated:
            chunk["toolCallId"] = generated[chunk["toolCallId"]]


DIFFERENCES = [
    Difference(
        "A part of reasoning does not say how the server sent it, and is sent back as "
        "`reasoning_content` to every server, or to none.",
        "`providerMetadata.openaiChat` names the field, and the reasoning goes back under that "
        "name: servers refuse the others.",
        reasoning_field,
    ),
    Difference(
        '`content: ""` begins a text part.',
        "Most responses with only tool calls have it; there would be an empty part.",
        empty_text,
    ),
    Difference(
        "After an error the open part is ended, and the message is finished. A response that is "
        "cut off ends as `interrupted`.",
        "An error is the last chunk, so that the client does not take half a response for a whole "
        "one.",
        errors,
    ),
    Difference(
        "The texts for an input that is not valid and for an unknown tool are those of the AI "
        "SDK's errors, and the unknown tool's call begins as a static one.",
        "The texts are for the user and the model, and no client has a static part for the tool.",
        input_errors,
    ),
    Difference(
        "The finish reason is the server's.",
        "Servers send `stop` after tool calls, `tool_calls` without any, and `eos`: calls make it "
        "`tool-calls`, and only they do.",
        finish_reasons,
    ),
    Difference(
        "`function_call` of old servers is ignored.", "It is a tool call.", old_function_call
    ),
    Difference(
        "The second call with the same id gets a random one.",
        "It gets a number, so that the same response has the same ids.",
        repeated_ids,
    ),
]
