"""Agent: the model, what it is told, and what it may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ui_message_stream.messages import UIMessage

from usechat_server.metadata import MetadataHook, usage_metadata
from usechat_server.models.base import Model, ModelCall, ModelStream
from usechat_server.tools import Tool
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.models.anthropic import AnthropicOptions

__all__ = ["Agent"]


class Agent:
    """Answers turns with a model.

    `model` is the provider's model id (Anthropic's), `"demo"`, or a Model. `client` is a ready
    `AsyncAnthropic` (or Bedrock, Vertex or Foundry) client, used as it is; without it one is made
    from the standard variables; `options` are the provider's parameters. A Model has its own of
    both. `max_tokens` limits one answer's length in tokens.

    `metadata` says what the page is told at an answer's end, by default the tokens of it (see
    `usage_metadata`); None: nothing.

    Raises ValueError, which names the option, for what the model cannot be asked.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        system: str | None = None,
        tools: Sequence[Tool] = (),
        max_tokens: int | None = None,
        client: Any = None,
        options: AnthropicOptions | None = None,
        metadata: MetadataHook | None = usage_metadata,
    ) -> None:
        self.system = system
        self.tools = tuple(tools)
        self.max_tokens = max_tokens
        self.metadata = metadata
        if isinstance(model, str):
            self.model = _load(model, client, options)
        elif client is not None or options is not None:
            raise ValueError("client and options are the model's: give them to it")
        else:
            self.model = model
        self.model.check(self._ask(()))

    def call(self, turn: Turn) -> ModelStream:
        """The model call that answers a turn. Raises BadRequest."""
        return self.model.stream(self._ask(turn.messages))

    def _ask(self, messages: Sequence[UIMessage]) -> ModelCall:
        return ModelCall(messages, self.system, self.tools, self.max_tokens)


def _load(name: str, client: Any, options: AnthropicOptions | None) -> Model:
    # Imported on use: an app with a model of its own needs no provider's SDK.
    if name == "demo":
        if options is not None:
            raise ValueError("options: the demo model has none")
        from usechat_server.models.demo import DemoModel

        return DemoModel()
    from usechat_server.models.anthropic import AnthropicModel

    return AnthropicModel(name, options, client=client)
