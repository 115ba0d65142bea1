"""Agent: the model, what it is told, and what it may use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from usechat_server.models.base import Model, ModelCall, ModelStream
from usechat_server.tools import ClientTool
from usechat_server.turn import Turn

__all__ = ["Agent"]


class Agent:
    """Answers turns with a model.

    `model` is the provider's model id (Anthropic's), `"demo"`, or a Model. `client` is a ready
    `AsyncAnthropic` (or Bedrock, Vertex or Foundry) client, used as it is; without it one is made
    from the standard variables. `max_tokens` limits one answer's length in tokens.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        system: str | None = None,
        tools: Sequence[ClientTool] = (),
        max_tokens: int | None = None,
        client: Any = None,
    ) -> None:
        self.system = system
        self.tools = tuple(tools)
        self.max_tokens = max_tokens
        self.model = _load(model, client) if isinstance(model, str) else model

    def call(self, turn: Turn) -> ModelStream:
        """The model call that answers a turn. Raises BadRequest."""
        return self.model.stream(
            ModelCall(
                messages=turn.messages,
                system=self.system,
                tools=self.tools,
                max_tokens=self.max_tokens,
            )
        )


def _load(name: str, client: Any) -> Model:
    # Imported on use: an app with a model of its own needs no provider's SDK.
    if name == "demo":
        from usechat_server.models.demo import DemoModel

        return DemoModel()
    from usechat_server.models.anthropic import AnthropicModel

    return AnthropicModel(name, client=client)
