"""What the files of a request may be together. Source: the API's page on vision."""

from __future__ import annotations

import binascii
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from usechat_server.errors import InvalidRequest, PayloadTooLarge
from usechat_server.providers.history.media import image_size

__all__ = ["MAX_FILE_BYTES", "leave_out_files"]

#: The API takes requests of 32 MB; the rest is for text.
MAX_FILE_BYTES = 30_000_000
#: With more images than this, each may have fewer pixels.
_MANY_IMAGES = 20
_MAX_PIXELS_OF_MANY = 2000

_TOO_MANY_BYTES = "(A file was left out: the files of this conversation are too large together.)"
_TOO_MANY_PIXELS = "(An image was left out: there are too many large images in this conversation.)"


@dataclass(frozen=True, slots=True)
class _File:
    """A file's block, and where it stands."""

    block: dict[str, Any]
    content: list[dict[str, Any]]
    index: int
    is_new: bool

    def leave_out(self, note: str) -> None:
        self.content[self.index] = {"type": "text", "text": note}

    @property
    def bytes(self) -> int:
        data = self.block["source"].get("data", "")
        return len(data) if data.isascii() else len(data.encode("utf-8", "replace"))

    @property
    def is_large_image(self) -> bool:
        source = self.block["source"]
        if self.block["type"] != "image" or source["type"] != "base64":
            return False
        size = image_size(binascii.a2b_base64(source["data"]), source["media_type"])
        return size is not None and max(size) > _MAX_PIXELS_OF_MANY


def leave_out_files(
    messages: Sequence[dict[str, Any]], new_blocks: Sequence[dict[str, Any]]
) -> None:
    """Replace files by notes, the oldest first, until the API accepts the rest together.

    Args:
        messages: The request's messages, changed in place.
        new_blocks: The blocks of the new message, which are never left out.

    Raises:
        ChatError: The files of the new message alone are too many or too large.
    """
    new_ids = {id(block) for block in new_blocks}
    files = list(_files(messages, new_ids))
    total = sum(file.bytes for file in files)
    while total > MAX_FILE_BYTES:
        oldest = files.pop(0)
        if oldest.is_new:
            raise PayloadTooLarge("The files are too large together: at most 30 MB can be sent.")
        total -= oldest.bytes
        oldest.leave_out(_TOO_MANY_BYTES)
    excess = sum(file.block["type"] == "image" for file in files) - _MANY_IMAGES
    for image in filter(lambda file: file.is_large_image, files if excess > 0 else ()):
        if excess <= 0:
            break
        if image.is_new:
            raise InvalidRequest(
                f"The images are too large: of more than {_MANY_IMAGES} images, each may be at "
                f"most {_MAX_PIXELS_OF_MANY} pixels wide and high."
            )
        image.leave_out(_TOO_MANY_PIXELS)
        excess -= 1


def _files(messages: Sequence[dict[str, Any]], new_ids: set[int]) -> Iterator[_File]:
    for message in messages:
        if message["role"] == "user":
            yield from _files_of_content(message["content"], new_ids)


def _files_of_content(content: list[dict[str, Any]], new_ids: set[int]) -> Iterator[_File]:
    for index, block in enumerate(content):
        if block["type"] in ("image", "document"):
            yield _File(block, content, index, id(block) in new_ids)
        elif block["type"] == "tool_result" and isinstance(block.get("content"), list):
            yield from _files_of_content(block["content"], new_ids)
