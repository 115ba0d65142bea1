"""Results of MCP calls as outputs for the client and content for the model."""

from __future__ import annotations

import re
from typing import Any

from mcp.types import CallToolResult
from ui_message_stream.messages import FilePart, TextPart

from usechat_server.media import decode_base64, encode_base64, sniff_media_type
from usechat_server.tools.outputs import ModelContent

__all__ = ["error_text", "model_output", "output"]

#: Prefix of the keys of `_meta` that belong to the protocol.
_PROTOCOL_PREFIX = "io.modelcontextprotocol/"


def output(result: CallToolResult) -> dict[str, Any]:
    """Return the output for the client: `content`, `structuredContent` and `_meta` of the result,
    without the protocol's own keys of `_meta`. Images and files that nothing can read are replaced
    by a text that says so."""
    included = {"content", "structured_content", "meta"}
    fields = result.model_dump(mode="json", by_alias=True, exclude_none=True, include=included)
    meta = {k: v for k, v in fields.pop("_meta", {}).items() if not k.startswith(_PROTOCOL_PREFIX)}
    content = [_readable(block) for block in fields["content"]]
    return {**fields, "content": content, **({"_meta": meta} if meta else {})}


def _readable(block: dict[str, Any]) -> dict[str, Any]:
    """Return a block whose data is base64 and not empty, with the type that the content has."""
    match block:
        case {"type": "image" | "audio", "data": str(text)}:
            holder, key = block, "data"
        case {"type": "resource", "resource": {"blob": str(text)} as holder}:
            key = "blob"
        case _:
            return block
    data = decode_base64(text)
    if not data:
        what = holder.get("uri", block["type"])
        problem = "is empty" if data == b"" else "is damaged: it is not valid base64"
        return {"type": "text", "text": f"({what}, which the tool returned, {problem}.)"}
    declared = str(holder.get("mimeType", "")).partition(";")[0].strip().lower()
    media_type = sniff_media_type(data) or (
        declared if _MEDIA_TYPE.fullmatch(declared) else "application/octet-stream"
    )
    checked = {**holder, key: encode_base64(data), "mimeType": media_type}
    return checked if holder is block else {**block, "resource": checked}


#: Source: RFC 6838, 4.2.
_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}")


def error_text(result: CallToolResult) -> str:
    """Return the text of a result with `isError`."""
    pieces = map(_piece, output(result)["content"])
    texts = (piece.text for piece in pieces if isinstance(piece, TextPart))
    return "\n".join(text for text in texts if text.strip()) or "The tool failed."


def model_output(output: dict[str, Any]) -> list[ModelContent] | Any:
    """Return what the model gets for an output: its texts, images and files, or the structured
    content if there are none."""
    pieces = [_piece(block) for block in output["content"]]
    return pieces or output.get("structuredContent", "")


def _piece(block: dict[str, Any]) -> ModelContent:
    match block:
        case {"type": "text", "text": str(text)}:
            return TextPart(text=text)
        case {"type": "image", "data": str(data), "mimeType": str(kind)} if data:
            return _file(kind, data)
        case {"type": "resource", "resource": {"text": str(text)}}:
            return TextPart(text=text)
        case {"type": "resource", "resource": {"blob": str(data), "uri": str(uri), **rest}} if data:
            return _file(str(rest.get("mimeType", "")), data, uri)
        case {"type": "resource_link", "uri": str(uri), "name": str(name)}:
            return TextPart(text=f"{name}: {uri}")
        case _:
            return TextPart(text=f"({block['type']}, which cannot be shown here)")


def _file(media_type: str, data: str, name: str | None = None) -> FilePart:
    return FilePart(media_type=media_type, url=f"data:{media_type};base64,{data}", filename=name)
