"""What a model backend is: one call of a model, as batches of UI message chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import BaseModel
from ui_message_stream.chunks import FinishReason
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant

from usechat_server.results import Usage
from usechat_server.tools import Tool

__all__ = ["Model", "ModelCall", "ModelStream", "StepResult"]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """One step: what the model is to answer, and with what."""

    messages: Sequence[UIMessage]
    system: str | None = None
    tools: Sequence[Tool] = ()
    max_tokens: int | None = None
    #: the answer is JSON of this shape
    output: type[BaseModel] | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a model call ended, complete."""

    finish_reason: FinishReason
    #: whether the provider only paused, to be asked to go on
    paused: bool = False


class ModelStream(Protocol):
    """A model call under way. Nothing is sent before the first `__anext__`."""

    @property
    def result(self) -> StepResult | None:
        """How it ended; None until it ended complete."""
        ...

    @property
    def usage(self) -> Usage:
        """What is known of the tokens so far, also when the call is cut."""
        ...

    @property
    def details(self) -> dict[str, Any]:
        """The provider's own ids and times so far, as JSON values, for the log line."""
        ...

    def __aiter__(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        """Batches: the chunks that one provider read brought, never `start`, `finish`, `start-step`
        or `finish-step`. Raises ModelError. Ends only after a complete answer."""
        ...

    async def aclose(self) -> None:
        """Closes the provider's connection at once. May be called at any time, twice too."""
        ...


class Model(Protocol):
    """A model backend."""

    #: the provider's name for the model, for the log line
    name: str
    #: chunk types without which what this model was set up to do cannot be shown
    requires: frozenset[str]

    def check(self, call: ModelCall) -> None:
        """Raises ValueError if calls that are set up like this one cannot be answered, whatever
        their messages."""
        ...

    def stream(self, call: ModelCall) -> ModelStream:
        """Translates the history, at once and without I/O. Raises ChatError."""
        ...

    async def aclose(self) -> None:
        """Closes what was opened in the running event loop, such as connections to the provider.
        The model can be used again afterwards."""
        ...
