"""What the Messages API refuses because of what only it knows: files, links, containers, keys.

Sources: the API's pages on errors, vision, PDFs, prompt caching and code execution, and its texts
in bug reports.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Account", "Refusal"]

#: Status, type and text of an error.
Refusal = tuple[int, str, str]

_INVALID = "invalid_request_error"


@dataclass
class Account:
    """One account of the provider."""

    #: ids of the files that were uploaded
    files: set[str] = field(default_factory=set)
    #: ids of the containers that can be restored
    containers: set[str] = field(default_factory=set)
    #: the links that can be fetched begin like this
    reachable: str = "https://example.com/"
    #: signatures, encrypted contents and the like that this account's models made; None: any
    sealed: set[str] | None = None
    #: the most bytes of a request
    max_bytes: int = 32_000_000
    #: the most tokens of a request, at four bytes each
    max_tokens: int = 200_000
    #: the most levels of nesting
    max_depth: int = 250

    def refusal(self, body: bytes) -> Refusal | None:
        """Return the first error for a request; None if there is none."""
        return next(self._refusals(body), None)

    def _refusals(self, body: bytes) -> Iterator[Refusal]:
        if len(body) > self.max_bytes:
            text = "Request exceeds the maximum size"
            yield 413, "request_too_large", text
        try:
            request = json.loads(body, parse_constant=_refuse)
        except (ValueError, RecursionError):
            yield 400, _INVALID, "The request body is not valid JSON"
            return
        if _depth(request) > self.max_depth:
            yield 400, _INVALID, "The request body is nested too deeply"
        if len(body) // 4 > self.max_tokens:
            text = f"prompt is too long: {len(body) // 4} tokens > {self.max_tokens} maximum"
            yield 400, _INVALID, text
        container = request.get("container")
        container_id = container.get("id") if isinstance(container, dict) else container
        if container_id is not None and container_id not in self.containers:
            if "lost" in container_id:
                yield 500, "api_error", "Internal server error"
            yield 400, _INVALID, f"container: {container_id} has expired"
        for block in _blocks(request["messages"]):
            yield from self._block(block)
        images = [block for block in _blocks(request["messages"]) if block["type"] == "image"]
        if len(images) > 100:
            yield 400, _INVALID, "Too many images"

    def _block(self, block: dict[str, Any]) -> Iterator[Refusal]:
        source = block.get("source")
        source = source if isinstance(source, dict) else {}
        kind = source.get("type")
        if kind == "url" and not source["url"].startswith(self.reachable):
            yield 400, _INVALID, f"Unable to download the file. URL: {source['url']}"
        file_id = source.get("file_id") if kind == "file" else block.get("file_id")
        has_file = block["type"] in ("image", "document", "container_upload")
        if has_file and file_id is not None and file_id not in self.files:
            yield 404, "not_found_error", f"File not found: {file_id}"
        for key in ("signature", "data", "encrypted_content", "encrypted_index"):
            value = block.get(key)
            if value is not None and self.sealed is not None and value not in self.sealed:
                yield 400, _INVALID, f"Invalid `{key}` in `{block['type']}` block"
        if block["type"] == "server_tool_use" and not block["id"].startswith("srvtoolu_"):
            yield 400, _INVALID, "server_tool_use.id: String should match pattern '^srvtoolu_'"
        caller = block.get("caller")
        if isinstance(caller, dict) and caller.get("type") not in (None, "direct"):
            yield 400, _INVALID, "caller: the code that called this tool is not in a container"


def _blocks(value: Any) -> Iterator[dict[str, Any]]:
    """The content blocks in a value, also those in results and citations; no tool inputs."""
    if isinstance(value, list):
        for item in value:
            yield from _blocks(item)
    elif isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value
        for key in ("content", "citations"):
            yield from _blocks(value.get(key))


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level:
        depth += 1
        inner = [
            list(item.values()) if isinstance(item, dict) else item
            for item in level
            if isinstance(item, dict | list)
        ]
        level = [item for items in inner for item in items]
    return depth


def _refuse(name: str) -> None:
    raise ValueError(name)
