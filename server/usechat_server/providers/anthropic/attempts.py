"""The requests of one model call: the whole history, then without what the provider refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

import anthropic
from ui_message_stream import json_codec
from ui_message_stream.messages import FilePart, UIMessage

from usechat_server.errors import log_text
from usechat_server.providers.anthropic.errors import api_message, error_from_exception
from usechat_server.providers.anthropic.request.files import file_name
from usechat_server.providers.anthropic.request.reductions import Reduction, reductions
from usechat_server.providers.anthropic.response.translate import ResponseTranslator

__all__ = ["Attempts", "new_file_names"]

_log = logging.getLogger("usechat.anthropic")

#: Requests of one model call at most. Each leaves out more than the one before.
_MAX_ATTEMPTS = 6

#: Builds the arguments of `messages.create`, and what translates the response.
Build = Callable[[Reduction], tuple[dict[str, Any], ResponseTranslator]]


class Attempts:
    """Builds the requests of one model call. It holds the conversation.

    Args:
        build: Builds a request that leaves something out.
        new_files: Names of the files in the new message.

    Raises:
        ChatError: The conversation cannot be sent; the text is for the user.
    """

    def __init__(self, build: Build, new_files: Sequence[str] = ()) -> None:
        self.new_files = new_files
        self.request: dict[str, Any]
        self.translator: ResponseTranslator
        self.request, self.translator = build(Reduction())
        self._build = build
        self._reduction = Reduction()
        self._attempts = 1

    def reduce(self, error: anthropic.APIStatusError) -> bool:
        """Build a request without what the provider may have refused.

        Returns:
            Whether there was anything to leave out; else nothing has changed.
        """
        kind = error_from_exception(error).kind
        if self._attempts == _MAX_ATTEMPTS or kind not in ("request", "internal"):
            return False
        candidates = reductions(
            self._reduction,
            error.status_code,
            api_message(error),
            has_container=_container_id(self.request) is not None,
            history_bytes=len(json_codec.encode(self.request["messages"])),
        )
        for reduction in candidates:
            request, translator = self._build(reduction)
            if _history(request) != _history(self.request):
                _log.warning("left out %s: the request was refused: %s", reduction, log_text(error))
                self.request, self.translator, self._reduction = request, translator, reduction
                self._attempts += 1
                return True
        return False


def new_file_names(messages: Sequence[UIMessage]) -> list[str]:
    """Return the names of the files in the newest message, if it is the user's."""
    if not messages or messages[-1].role != "user":
        return []
    return [file_name(part) for part in messages[-1].parts if isinstance(part, FilePart)]


def _history(request: dict[str, Any]) -> Any:
    return request["messages"], _container_id(request)


def _container_id(request: dict[str, Any]) -> Any:
    container = request["extra_body"].get("container")
    return container.get("id") if isinstance(container, dict) else container
