"""Agent: the model, what it is told, what it may use, and how far it may go."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel
from ui_message_stream.versions import ChunkVariant

from usechat_server.loop.handler_context import HandlerContext
from usechat_server.loop.spec import (
    AgentSpec,
    AgentTool,
    NextStep,
    StepHook,
    SystemHook,
    split_tools,
)
from usechat_server.loop.stream import agent_stream
from usechat_server.providers.base import Model
from usechat_server.results import MetadataHook, usage_metadata
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.providers.anthropic import AnthropicOptions

__all__ = ["Agent", "NextStep"]


class Agent:
    """Answers turns with a model, in steps: a model call, then the tools that it called.

    `model` is the provider's model id (Anthropic's), `"demo"`, or a Model. `client` is a ready
    `AsyncAnthropic` (or Bedrock, Vertex or Foundry) client, used as it is; without it one is made
    from the standard variables; `options` are the provider's parameters. A Model has its own of
    both. `max_tokens` limits one step's length in tokens.

    `system` is the system prompt, or a function that gives it for a turn. `fallback` names models
    that are asked, in order, when the one before keeps failing.

    An answer has at most `max_steps` steps. When it has used `max_total_tokens` (of input and
    output, of all its steps) no further step begins; after `timeout` seconds it is cut, its tools
    too. At each of these limits it ends with the finish reason `length`. `on_step` is asked before
    each step: it may change it, or end the answer.

    With `output`, a pydantic model, the answer is JSON of that shape. It is validated: the model
    may correct it once, else the answer fails. `on_finish` gets it as `answer.output`.

    `metadata` says what the page is told at an answer's end, by default the tokens of it (see
    `usage_metadata`); None: nothing.

    Raises ValueError, which names the option, for what the model cannot be asked.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        system: str | SystemHook | None = None,
        tools: Sequence[AgentTool] = (),
        max_tokens: int | None = None,
        client: Any = None,
        options: AnthropicOptions | None = None,
        fallback: Sequence[str | Model] = (),
        max_steps: int = 20,
        max_total_tokens: int | None = None,
        timeout: float | None = None,
        on_step: StepHook | None = None,
        output: type[BaseModel] | None = None,
        approvals: Literal["native", "client-tool"] = "native",
        metadata: MetadataHook | None = usage_metadata,
    ) -> None:
        if max_steps < 1:
            raise ValueError("max_steps: an answer has at least one step")
        self._client = client
        self._options = options
        #: the models that are known by a name only
        self._loaded: dict[str, Model] = {}
        primary, *others = [self._model(one) for one in (model, *fallback)]
        if not self._loaded and (client is not None or options is not None):
            raise ValueError("client and options are the model's: give them to it")
        own_tools, sources = split_tools(tools)
        #: what the loop runs
        self.spec = AgentSpec(
            model=primary,
            fallback=tuple(others),
            load_model=self._model,
            system=system,
            tools=own_tools,
            sources=sources,
            max_tokens=max_tokens,
            max_steps=max_steps,
            max_total_tokens=max_total_tokens,
            timeout=timeout,
            on_step=on_step,
            output=output,
            approvals=approvals,
            metadata=metadata,
        )
        for one in self._models:
            one.check(self.spec.build_call(self.spec.static_config, ()))

    def stream(self, turn: Turn) -> AsyncGenerator[ChunkVariant, None]:
        """The answer to a turn as chunks, all its steps and tools: for `writer.merge` in plain
        code, or for a UIMessageStreamResponse. Closing it ends the answer.

        Raises ModelError, ChatError.
        """
        if isinstance(turn.run_context, HandlerContext):
            turn.run_context.agents.add(self)
        return agent_stream(self.spec, turn)

    async def aclose(self) -> None:
        """Closes what the agent opened in the running event loop. It can be used again."""
        models = {id(model): model for model in (*self._loaded.values(), *self._models)}
        for model in models.values():
            await model.aclose()
        for source in self.spec.sources:
            await source.aclose()

    @property
    def _models(self) -> tuple[Model, ...]:
        return (self.spec.model, *self.spec.fallback)

    def _model(self, model: str | Model) -> Model:
        if not isinstance(model, str):
            return model
        if model not in self._loaded:
            self._loaded[model] = _load(model, self._client, self._options)
        return self._loaded[model]


def _load(name: str, client: Any, options: AnthropicOptions | None) -> Model:
    # Imported on use: an app with a model of its own needs no provider's SDK.
    if name == "demo":
        if options is not None:
            raise ValueError("options: the demo model has none")
        from usechat_server.providers.demo import DemoModel

        return DemoModel()
    from usechat_server.providers.anthropic import AnthropicModel

    return AnthropicModel(name, options, client=client)
