"""Agent: a model with its instructions, tools and limits."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Generic, Literal

from typing_extensions import get_protocol_members
from ui_message_stream.versions import ChunkVariant

from usechat_server.loop.handler_context import HandlerContext
from usechat_server.loop.spec import (
    AgentSpec,
    AgentTool,
    NextStep,
    StartMetadataHook,
    StepHook,
    SystemHook,
    split_tools,
)
from usechat_server.loop.stream import agent_stream
from usechat_server.loop.tool_calls import CallLimits
from usechat_server.providers.base import Model
from usechat_server.providers.by_name import load_model, provider_of
from usechat_server.results import MetadataHook, OutputT
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.providers.anthropic import AnthropicOptions
    from usechat_server.providers.anthropic.client import Client as AnthropicClient
    from usechat_server.providers.openai.client import Client as OpenAIClient
    from usechat_server.providers.openai_chat import OpenAIChatOptions

__all__ = ["Agent", "NextStep"]


class Agent(Generic[OutputT]):
    """Responds to turns with a model, in steps: a model call, then the tools that it called.

        agent = Agent("anthropic:claude-sonnet-5-5", system="Be brief.", tools=[search])

    Args:
        model: `"anthropic:"` and a model id of Anthropic's, or the bare id if it begins with
            `claude-`; `"openai-chat:"` and a model id of OpenAI's; `"demo"`, a scripted model that
            needs no key; or a `Model`, such as `OpenAIChat` for another server.
        system: The system prompt, or a function, sync or async, that returns that of a turn.
        tools: Functions, the results of `tool`, `ClientTool` and the provider's tools, MCP servers.
        max_tokens: How many tokens the model may write in one step; by default as many as it can.
        client: A ready client of the provider's SDK, such as `AsyncAnthropic` (or Bedrock, Vertex,
            Foundry) or `AsyncOpenAI`, used as it is. By default one is created from the SDK's
            environment variables. A `Model` has its own.
        options: The provider's parameters. A `Model` has its own. Like `client` they are for the
            provider of the first model that is given by name.
        fallback: Models that are called, in this order, when the one before keeps failing. They may
            be another provider's.
        max_steps: How many steps a run has at most. A run that reaches this, or one of the two
            limits below, ends with the finish reason `length`.
        max_calls_per_step: How many tool calls of a step are handled; the model gets an error for
            each further one.
        max_concurrent_calls: How many of them run at the same time; others wait.
        max_total_tokens: Input and output tokens of all steps after which no further step begins.
        timeout: Seconds after which a run is cut, its tools too.
        on_step: Called before each step with the turn and the steps so far; returns a `NextStep`
            that changes this one or ends the run, or None.
        output: A pydantic model: the message is JSON of that shape. It is validated, and the model
            may correct it once; else the run fails. It is `result.output` in `on_finish`.
        approvals: How tool approvals are requested: by the protocol's own chunks, or, for clients
            that do not support those, as the call of a client tool.
        metadata: Returns the message metadata that is sent at the end of a run, such as
            `usage_metadata`, the tokens. By default nothing is sent, since a frontend whose
            `messageMetadataSchema` does not allow it fails.
        start_metadata: Returns the message metadata that is sent at the start of a run.
        may_use_file: Whether the user of a turn may refer to a file at the provider, by its id (a
            `providerReference`), or to a container that the server did not give to this chat. By
            default not: who knows an id could read any file of your account. It must not block.

    Raises:
        ValueError: The model or an option cannot be used; the text names the option.
    """

    def __init__(
        self,
        model: str | Model,
        *,
        system: str | SystemHook | None = None,
        tools: Sequence[AgentTool] = (),
        max_tokens: int | None = None,
        client: AnthropicClient | OpenAIClient | None = None,
        options: AnthropicOptions | OpenAIChatOptions | None = None,
        fallback: Sequence[str | Model] = (),
        max_steps: int = 20,
        max_calls_per_step: int = 100,
        max_concurrent_calls: int = 20,
        max_total_tokens: int | None = None,
        timeout: float | None = None,
        on_step: StepHook | None = None,
        output: type[OutputT] | None = None,
        approvals: Literal["native", "client-tool"] = "native",
        metadata: MetadataHook | None = None,
        start_metadata: StartMetadataHook | None = None,
        may_use_file: Callable[[Turn, str], bool] | None = None,
    ) -> None:
        for name, limit in (
            ("max_steps", max_steps),
            ("max_calls_per_step", max_calls_per_step),
            ("max_concurrent_calls", max_concurrent_calls),
        ):
            if limit < 1:
                raise ValueError(f"{name}: expected at least 1, got {limit}")
        self._client = client
        self._options = options
        names = [each for each in (model, *fallback) if isinstance(each, str)]
        #: the provider that the client and the options are for
        self._named_provider = provider_of(names[0]) if names else None
        #: the models that were given by name
        self._loaded: dict[str, Model] = {}
        primary, *others = [self._load(each) for each in (model, *fallback)]
        if not self._loaded and (client is not None or options is not None):
            raise ValueError("client and options require a model name: pass them to the Model")
        own_tools, sources = split_tools(tools)
        #: the agent as the loop sees it
        self.spec: AgentSpec = AgentSpec(
            model=primary,
            fallback=tuple(others),
            load_model=self._load,
            system=system,
            tools=own_tools,
            sources=sources,
            max_tokens=max_tokens,
            max_steps=max_steps,
            call_limits=CallLimits(max_calls_per_step, max_concurrent_calls),
            max_total_tokens=max_total_tokens,
            timeout=timeout,
            on_step=on_step,
            output=output,
            approvals=approvals,
            metadata=metadata,
            start_metadata=start_metadata,
            may_use_file=may_use_file,
        )
        for each in self._models:
            each.check(self.spec.empty_call())

    def stream(self, turn: Turn) -> AsyncGenerator[ChunkVariant, None]:
        """Return the response to a turn as chunks, with all its steps and tools.

        For `writer.merge` in a handler, or for a `UIMessageStreamResponse`. Closing it ends the
        run.

        Args:
            turn: The turn, as the handler got it or `read_turn` returned it.

        Returns:
            An async generator of chunks.

        Raises:
            ModelError: A model call failed, and so did its retries and fallbacks.
            ChatError: The model cannot respond to the turn.
        """
        if isinstance(turn.run_context, HandlerContext):
            turn.run_context.agents.add(self)
        return agent_stream(self.spec, turn)

    async def aclose(self) -> None:
        """Close what the agent opened in the running event loop. It can be used again."""
        models = {id(model): model for model in (*self._loaded.values(), *self._models)}
        for model in models.values():
            await model.aclose()
        for source in self.spec.sources:
            await source.aclose()

    @property
    def _models(self) -> tuple[Model, ...]:
        return (self.spec.model, *self.spec.fallback)

    def _load(self, model: str | Model) -> Model:
        if not isinstance(model, str):
            _check_model(model)
            return model
        if model not in self._loaded:
            # Another provider's model has neither of the two.
            is_theirs = provider_of(model) == self._named_provider
            client, options = (self._client, self._options) if is_theirs else (None, None)
            self._loaded[model] = load_model(model, client, options)
        return self._loaded[model]


def _check_model(model: object) -> None:
    missing = [name for name in sorted(get_protocol_members(Model)) if not hasattr(model, name)]
    if isinstance(model, type) or missing:
        got = f"the class {model.__name__}" if isinstance(model, type) else type(model).__name__
        raise TypeError(f"model: expected a model name or a Model, got {got}")
