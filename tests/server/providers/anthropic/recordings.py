"""Recorded streams of the Messages API: one line per event, responses one after another."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from tests.harness.media import data_url, pdf

__all__ = ["FIXTURES", "Recording", "others", "our_own"]

#: Ours: one per type of block, written by the types of the `anthropic` SDK.
FIXTURES = Path(__file__).parent / "fixtures"

_SUFFIX = ".chunks.txt"

#: Provider-executed tool → the reference's name and factory of it. (The reference has one tool for
#: all kinds of code execution.)
_PROVIDER_TOOLS = {
    "web_search": ("web_search", "webSearch_20250305"),
    "web_fetch": ("web_fetch", "webFetch_20250910"),
    "code_execution": ("code_execution", "codeExecution_20260120"),
    "bash_code_execution": ("code_execution", "codeExecution_20260120"),
    "text_editor_code_execution": ("code_execution", "codeExecution_20260120"),
    "tool_search_tool_regex": ("tool_search_tool_regex", "toolSearchRegex_20251119"),
    "tool_search_tool_bm25": ("tool_search_tool_bm25", "toolSearchBm25_20251119"),
    "advisor": ("advisor", "advisor_20260301"),
}
_ARGUMENTS: dict[str, Any] = {"advisor": {"model": "claude-opus-5-5"}}
#: Tools that the provider defines and the app executes.
_APP_TOOLS = {"memory": "memory_20250818"}
_TOOLSETS = {"computer": "computerToolset_20260801"}


@dataclass(frozen=True)
class Recording:
    """One recorded conversation."""

    name: str
    #: each response's payloads
    responses: list[list[str]]

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file. A message that begins inside another one belongs to the same response."""
        responses: list[list[str]] = []
        ended = True
        for line in path.read_text().splitlines():
            if not line.strip():
                continue
            kind = json.loads(line)["type"]
            if ended:
                responses.append([])
            ended = kind == "message_stop"
            responses[-1].append(line)
        return cls(path.name.removesuffix(_SUFFIX), responses)

    @cached_property
    def events(self) -> list[Any]:
        """Every event of every response."""
        return [json.loads(line) for response in self.responses for line in response]

    @cached_property
    def blocks(self) -> list[dict[str, Any]]:
        """Every content block as it started."""
        return list(self._blocks())

    @cached_property
    def ends(self) -> bool:
        """Whether the last response ends, complete or with an error."""
        last = [json.loads(line) for line in self.responses[-1]]
        return any(event["type"] in ("message_stop", "error") for event in last)

    def pauses_after(self, response: int) -> bool:
        """Whether a response ended because the provider wants to be called again."""
        events = map(json.loads, self.responses[response])
        return any(e.get("delta", {}).get("stop_reason") == "pause_turn" for e in events)

    @cached_property
    def client_tools(self) -> list[str]:
        """Names of the tools that the app or the client executes, toolsets by their own name."""
        calls = (block for block in self.blocks if block["type"] == "tool_use")
        return sorted({call.get("toolset_name") or call["name"] for call in calls})

    @cached_property
    def tools(self) -> dict[str, Any]:
        """The tools to declare to the reference, by name."""
        tools: dict[str, Any] = {}
        for name in self.client_tools:
            factory = _APP_TOOLS.get(name) or _TOOLSETS.get(name)
            tools[name] = {"factory": factory, "args": {}, "run": True} if factory else {}
        for block in self.blocks:
            if block["type"] == "server_tool_use" and block["name"] in _PROVIDER_TOOLS:
                name, factory = _PROVIDER_TOOLS[block["name"]]
                tools[name] = {"factory": factory, "args": _ARGUMENTS.get(name, {})}
        return tools

    @cached_property
    def question(self) -> dict[str, Any]:
        """A user message that the recording can be the response to: with the documents that are
        cited, which the API numbers, unless they were fetched."""
        parts: list[dict[str, Any]] = []
        fetched = any(block["type"] == "web_fetch_tool_result" for block in self.blocks)
        for event in [] if fetched else self.events:
            citation = event.get("delta", {}).get("citation", {})
            if "document_index" in citation:
                while len(parts) <= citation["document_index"]:
                    parts.append(_document(len(parts), citation["type"]))
        return {"id": "question", "role": "user", "parts": [*parts, _text("Hello")]}

    def _blocks(self) -> Iterator[dict[str, Any]]:
        for event in self.events:
            if event["type"] == "content_block_start":
                yield event["content_block"]
            elif event["type"] == "message_start":
                yield from event["message"].get("content") or ()


def our_own() -> list[Recording]:
    """The recordings of this project."""
    return _read(FIXTURES)


def others() -> list[Recording]:
    """The recordings in the folder that `ANTHROPIC_STREAMS` names; none if it is not set."""
    folder = os.environ.get("ANTHROPIC_STREAMS")
    return _read(Path(folder)) if folder else []


def _read(folder: Path) -> list[Recording]:
    recordings = [Recording.read(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
    assert recordings, f"no recordings in {folder}"
    return recordings


def _document(index: int, citation: str) -> dict[str, Any]:
    is_pdf = citation == "page_location"
    media_type = "application/pdf" if is_pdf else "text/plain"
    return {
        "type": "file",
        "mediaType": media_type,
        "filename": f"document-{index}",
        "url": data_url(pdf() if is_pdf else b"Hello", media_type),
        "providerMetadata": {"anthropic": {"citations": {"enabled": True}}},
    }


def _text(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}
