"""The requests of one model call: the whole history, then without what the provider refuses."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from ui_message_stream import json_codec
from ui_message_stream.versions import ChunkVariant

from usechat_server.errors import ErrorKind, log_text
from usechat_server.providers.base import StepResult
from usechat_server.providers.history.reductions import NO_REDUCTION, Reduction, reductions
from usechat_server.results import Usage

__all__ = ["Attempt", "Attempts", "Refusal", "Translator"]

_log = logging.getLogger("usechat.providers")

#: Requests of one model call at most. Each leaves out more than the one before.
_MAX_ATTEMPTS = 6


class Translator(Protocol):
    """Translates one response."""

    #: how the response ended; None until it is complete
    result: StepResult | None
    #: the tokens counted so far
    usage: Usage
    #: the provider's ids and reasons, for the log line of the run
    details: dict[str, Any]

    def feed(self, payloads: Iterable[bytes], out: list[ChunkVariant]) -> None:
        """Append the chunks of some events to `out`.

        Raises:
            ModelError: The provider failed, or sent what it never sends; the chunks of the events
                before are in `out`.
        """
        ...

    def end_of_body(self, out: list[ChunkVariant]) -> None:
        """Append the last chunks to `out`: the body has ended.

        Raises:
            ModelError: The response is not complete.
        """
        ...


@dataclass(frozen=True, slots=True)
class Attempt:
    """One request.

    Attributes:
        request: The arguments of the SDK's method.
        translator: Translates the response.
        history: The messages in the request.
        container: The container of the model's code that the request names.
    """

    request: dict[str, Any]
    translator: Translator
    history: Any
    container: Any = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error response of a provider.

    Attributes:
        kind: The kind of the error.
        status: The HTTP status.
        text: The provider's reason.
    """

    kind: ErrorKind
    status: int
    text: str


class Attempts:
    """Builds the requests of one model call. It holds the conversation.

    Args:
        build: Builds a request that leaves something out.
        new_files: Names of the files in the new message.

    Raises:
        ChatError: The conversation cannot be sent; the text is for the user.
    """

    def __init__(self, build: Callable[[Reduction], Attempt], new_files: Sequence[str]) -> None:
        self.new_files = new_files
        self.current: Attempt = build(NO_REDUCTION)
        self._build = build
        self._reduction = NO_REDUCTION
        self._count = 1

    def reduce(self, refusal: Refusal) -> bool:
        """Build a request without what the provider may have refused.

        Returns:
            Whether there was anything to leave out; else nothing has changed.
        """
        if self._count == _MAX_ATTEMPTS or refusal.kind not in ("request", "internal"):
            return False
        candidates = reductions(
            self._reduction,
            refusal.status,
            refusal.text,
            has_container=self.current.container is not None,
            history_bytes=len(json_codec.encode(self.current.history)),
        )
        for reduction in candidates:
            attempt = self._build(reduction)
            if attempt.request != self.current.request:
                reason = log_text(refusal.text)
                _log.warning("left out %s: the request was refused: %s", reduction, reason)
                self.current, self._reduction = attempt, reduction
                self._count += 1
                return True
        return False
