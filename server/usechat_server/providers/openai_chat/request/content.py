"""Files → content parts of a user message. Source: `chat_completion_content_part_param.py` of the
`openai` SDK."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ui_message_stream.messages import FilePart

from usechat_server.errors import InvalidRequest
from usechat_server.providers.history.files import file_link, file_name, open_file
from usechat_server.providers.history.user_parts import check_reference, text_block

__all__ = ["content_of", "file_block", "merged"]


def file_block(part: FilePart, may_use_file: Callable[[str], bool] | None) -> dict[str, Any]:
    """Return the content part of a file.

    Raises:
        ChatError: The model cannot read the file; the text names it.
    """
    if part.provider_reference:
        check_reference(part, "openai", may_use_file)
        file_id = part.provider_reference.get("openai")
        if not file_id:
            providers = ", ".join(part.provider_reference)
            raise InvalidRequest(
                f"{file_name(part)} was uploaded to another provider ({providers})."
            )
        return {"type": "file", "file": {"file_id": file_id}}
    if (link := file_link(part, kinds=("image",))) is not None:
        return _image(part, link.url)
    file = open_file(part)
    if file.kind == "text":
        name = file_name(part)
        return text_block(f"{name}:\n\n{file.text}" if file.text.strip() else f"({name} is empty.)")
    data_url = f"data:{file.media_type};base64,{file.base64}"
    if file.kind == "image":
        return _image(part, data_url)
    filename = file_name(part, "document.pdf")
    return {"type": "file", "file": {"filename": filename, "file_data": data_url}}


def _image(part: FilePart, url: str) -> dict[str, Any]:
    options: Any = (part.provider_metadata or {}).get("openai")
    detail = options.get("imageDetail") if isinstance(options, dict) else None
    image = {"url": url, **({"detail": detail} if isinstance(detail, str) else {})}
    return {"type": "image_url", "image_url": image}


def content_of(parts: list[dict[str, Any]]) -> str | list[dict[str, Any]]:
    """Return the content of a message: a string if it is only text, which every server accepts."""
    if all(part["type"] == "text" for part in parts):
        return "\n\n".join(part["text"] for part in parts)
    return parts


def merged(first: Any, second: Any) -> Any:
    """Return the contents of two consecutive messages of one role as one."""
    if not first or not second:
        return first or second
    if isinstance(first, str) and isinstance(second, str):
        return f"{first}\n\n{second}"
    return [*_parts(first), *_parts(second)]


def _parts(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [text_block(content)] if isinstance(content, str) else content
