"""What an MCP server answered to a call → what the page and the model are shown."""

from __future__ import annotations

from typing import Any

from mcp.types import CallToolResult
from ui_message_stream.messages import FilePart, TextPart

from usechat_server.tools.outputs import ModelContent

__all__ = ["error_text", "model_output", "output"]

#: How the keys of `_meta` begin that are nobody's but the protocol's.
_PROTOCOL = "io.modelcontextprotocol/"


def output(result: CallToolResult) -> dict[str, Any]:
    """What the page is shown: the result in MCP's own words, `content`, `structuredContent` and
    `_meta`, without what the protocol itself says there."""
    kept = {"content", "structured_content", "meta"}
    shown = result.model_dump(mode="json", by_alias=True, exclude_none=True, include=kept)
    meta = {k: v for k, v in shown.pop("_meta", {}).items() if not k.startswith(_PROTOCOL)}
    return {**shown, **({"_meta": meta} if meta else {})}


def error_text(result: CallToolResult) -> str:
    """What a result with `isError` says."""
    pieces = map(_piece, output(result)["content"])
    texts = (piece.text for piece in pieces if isinstance(piece, TextPart))
    return "\n".join(text for text in texts if text.strip()) or "The tool failed."


def model_output(shown: dict[str, Any]) -> list[ModelContent] | Any:
    """What the model is shown of an output: its texts, images and files; of a result that has none,
    the structured content."""
    pieces = [_piece(block) for block in shown["content"]]
    return pieces or shown.get("structuredContent", "")


def _piece(block: dict[str, Any]) -> ModelContent:
    match block:
        case {"type": "text", "text": str(text)}:
            return TextPart(text=text)
        case {"type": "image", "data": str(data), "mimeType": str(kind)}:
            return _file(kind, data)
        case {"type": "resource", "resource": {"text": str(text)}}:
            return TextPart(text=text)
        case {"type": "resource", "resource": {"blob": str(data), "uri": str(uri), **rest}}:
            return _file(str(rest.get("mimeType", "")), data, uri)
        case {"type": "resource_link", "uri": str(uri), "name": str(name)}:
            return TextPart(text=f"{name}: {uri}")
        case _:
            return TextPart(text=f"({block['type']}, which cannot be shown here)")


def _file(media_type: str, data: str, name: str | None = None) -> FilePart:
    return FilePart(media_type=media_type, url=f"data:{media_type};base64,{data}", filename=name)
