"""The interface of a model: one model call streams batches of UI message chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from pydantic import BaseModel
from ui_message_stream.chunks import FinishReason
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ChunkVariant

from usechat_server.results import Usage
from usechat_server.tools import Tool

__all__ = [
    "ChecksMessages",
    "Model",
    "ModelCall",
    "ModelStream",
    "NamesProvider",
    "RequiresCredentials",
    "StepResult",
    "WritesBatches",
    "provider_name",
]


@dataclass(frozen=True, slots=True)
class ModelCall:
    """The input of one step: the conversation so far, and what the model may use.

    Attributes:
        messages: The conversation; its last message is the one to respond to, or the assistant's
            own message when earlier steps of the run have already written to it.
        system: The system prompt.
        tools: The tools that the model may call.
        max_tokens: The most tokens that the model may write; None: the model's own limit.
        output: A pydantic model: the response is JSON that it validates; None: the response is
            text.
        may_use_file: Whether the user may refer to a file at the provider, or to a container, by
            its id. None: no.
        prove: Returns the proof that an id came from this server, in this chat. None: the history
            is the server's own, which needs no proof.
    """

    messages: Sequence[UIMessage]
    system: str | None = None
    tools: Sequence[Tool] = ()
    max_tokens: int | None = None
    output: type[BaseModel] | None = None
    may_use_file: Callable[[str], bool] | None = None
    prove: Callable[[str], str] | None = None


@dataclass(frozen=True, slots=True)
class StepResult:
    """How a complete model call ended.

    Attributes:
        finish_reason: Why the model stopped.
        paused: Whether the provider only paused and must be called again to continue.
        refusal: The provider's explanation, for the user, of why the model declined to respond;
            empty if there is none. None: the model did not decline.
    """

    finish_reason: FinishReason
    paused: bool = False
    refusal: str | None = None


class ModelStream(Protocol):
    """One model call. Nothing is sent to the provider before the first `__anext__`."""

    @property
    def result(self) -> StepResult | None:
        """How the call ended; None until it is complete."""
        ...

    @property
    def usage(self) -> Usage:
        """The tokens counted so far, also when the call is cut off."""
        ...

    @property
    def details(self) -> dict[str, Any]:
        """The provider's ids and timings so far, as JSON values, for the log line of the run."""
        ...

    def __aiter__(self) -> AsyncIterator[Sequence[ChunkVariant]]:
        """Iterate over batches of chunks, one for each read from the provider.

        Batches never contain `start`, `finish`, `start-step` or `finish-step`. The iteration ends
        only after a complete response.

        Raises:
            ModelError: The call failed or was cut off.
        """
        ...

    async def aclose(self) -> None:
        """Close the provider's connection at once. May be called at any time, and repeatedly."""
        ...


@runtime_checkable
class WritesBatches(Protocol):
    """A model call that hands its chunks over where they arrive, without waking a task for each
    read. What is iterated over and what is written is the same."""

    async def write_to(self, write: Callable[[Sequence[ChunkVariant]], None]) -> None:
        """Write batches of chunks, one for each read from the provider, until the response is
        complete.

        Args:
            write: Called with each batch. What it raises ends the call, and is raised here.

        Raises:
            ModelError: The call failed or was cut off.
        """
        ...

    def abort(self) -> None:
        """Close the provider's connection at once, without waiting. `aclose` follows."""
        ...


class Model(Protocol):
    """A model that an agent can call."""

    #: the provider's name for the model, for the log line of the run
    name: str
    #: types of chunks that a client must support to show this model's responses
    requires: frozenset[str]

    def check(self, call: ModelCall) -> None:
        """Check what an agent was set up with, whatever the messages will be.

        Args:
            call: A call without messages.

        Raises:
            ValueError: No call with these tools and options can succeed.
        """
        ...

    def stream(self, call: ModelCall) -> ModelStream:
        """Build the provider's request, without I/O; iterating the result sends it.

        Args:
            call: The conversation, and what the model may use.

        Returns:
            The response, which is not requested yet.

        Raises:
            ChatError: The messages cannot be sent to this model; the text is for the user.
        """
        ...

    async def aclose(self) -> None:
        """Close what was opened in the running event loop, such as connections.

        The model can be used again afterwards.
        """
        ...


@runtime_checkable
class RequiresCredentials(Protocol):
    """A model that can be called only with credentials."""

    def missing_credentials(self) -> str | None:
        """Return what to do if there are none (`set ANTHROPIC_API_KEY`), else None.

        Called in each event loop when the app starts.
        """
        ...


@runtime_checkable
class ChecksMessages(Protocol):
    """A model that can tell early that it cannot respond to a conversation."""

    def check_messages(self, call: ModelCall) -> None:
        """Check that the messages can be sent, whatever the system prompt and the tools are.

        Called before a run begins whose first call depends on hooks.

        Args:
            call: The conversation, and what is known of the call already.

        Raises:
            ChatError: They cannot; the text is for the user.
        """
        ...


@runtime_checkable
class NamesProvider(Protocol):
    """A model that says whose it is."""

    #: `gen_ai.provider.name` of OpenTelemetry's conventions, such as `anthropic` or `aws.bedrock`
    provider: str


def provider_name(model: Model) -> str:
    """Return the provider's name, else that of the model's class."""
    return model.provider if isinstance(model, NamesProvider) else type(model).__name__
