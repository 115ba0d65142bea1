"""Agent: the model, what it is told, what it may use, and how far it may go."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import BaseModel
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import Form, missing

from usechat_server.errors import BadRequest
from usechat_server.providers.base import Model, ModelCall, ModelStream
from usechat_server.results import MetadataHook, Step, usage_metadata
from usechat_server.tools import ClientTool, FunctionTool, ProviderTool, Tool, ToolSource, tool
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.providers.anthropic import AnthropicOptions

__all__ = ["Agent", "AgentTool", "NextStep", "Setup", "StepHook", "SystemHook", "with_sources"]

logger = logging.getLogger("usechat.agent")

#: What a page has to know to ask a person, and to show a no.
_APPROVAL = ("tool-approval-request", "tool-output-denied")

_T = TypeVar("_T")

#: A tool, where tools come from, or a function that is to be one (see `tool`).
AgentTool = Tool | ToolSource | Callable[..., Any]

#: The system prompt of a turn.
SystemHook = Callable[[Turn], str | Awaitable[str | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What an `on_step` hook changes for the step that comes next, and for that one only. None: as
    the agent has it."""

    model: str | Model | None = None
    system: str | None = None
    #: (a call that a person allows later is run by the agent's own tools: it is before any step)
    tools: Sequence[AgentTool] | None = None
    #: end the answer instead
    stop: bool = False


#: Asked before each step, the first one too: the turn with the message as it is now, and the steps
#: of this answer so far.
StepHook = Callable[[Turn, Sequence[Step]], NextStep | Awaitable[NextStep | None] | None]


@dataclass(frozen=True, slots=True)
class Setup:
    """What one step is asked with."""

    #: the model, then those that stand in for it
    models: tuple[Model, ...]
    system: str | None
    tools: tuple[Tool, ...]
    sources: tuple[ToolSource, ...] = ()


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
        self.system = system
        self.tools, self.sources = _sorted(tools)
        self.max_tokens = max_tokens
        self.max_steps = max_steps
        self.max_total_tokens = max_total_tokens
        self.timeout = timeout
        self.on_step = on_step
        self.output = output
        self.approvals = approvals
        self.metadata = metadata
        self._client = client
        self._options = options
        #: the models that are known by a name only
        self._loaded: dict[str, Model] = {}
        models = [self._model(one) for one in (model, *fallback)]
        if not self._loaded and (client is not None or options is not None):
            raise ValueError("client and options are the model's: give them to it")
        self.model = models[0]
        self.fallback = tuple(models[1:])
        for one in models:
            one.check(self.ask(self._static, ()))

    def call(self, turn: Turn) -> ModelStream | None:
        """The model call that answers a turn, not yet sent; None where what to ask is known only
        once the answer began. Raises BadRequest."""
        if callable(self.system) or self.sources or self.on_step is not None:
            return None
        return self.model.stream(self.ask(self._static, turn.messages))

    def stream(self, turn: Turn) -> AsyncGenerator[Form, None]:
        """The answer to a turn as chunks, all its steps and tools: for `writer.merge` in plain
        code, or for a UIMessageStreamResponse. Closing it ends the answer.

        Raises ModelError, BadRequest.
        """
        # On use: the loop is built on the agent.
        from usechat_server.loop.stream import agent_stream

        return agent_stream(self, turn)

    async def setup(self, turn: Turn) -> Setup:
        """What the steps of an answer have in common: each asks the sources of tools anew."""
        setup = self._static
        if callable(self.system):
            setup = replace(setup, system=await _awaited(self.system(turn)))
        return setup

    async def next_step(self, setup: Setup, turn: Turn, steps: Sequence[Step]) -> Setup | None:
        """What the next step is asked with; None: `on_step` ends the answer.

        Raises BadRequest if a tool may ask a person, and the page could not show it: nobody knew
        that before of the tools of `on_step`, or of an agent that plain code streams.
        """
        changes = None if self.on_step is None else await _awaited(self.on_step(turn, steps))
        if changes is not None:
            if changes.stop:
                return None
            if changes.model is not None:
                setup = replace(setup, models=(self._model(changes.model), *self.fallback))
            if changes.system is not None:
                setup = replace(setup, system=changes.system)
            if changes.tools is not None:
                tools, sources = _sorted(changes.tools)
                setup = replace(setup, tools=tools, sources=sources)
        step = await with_sources(setup, turn)
        lost = missing(_APPROVAL, turn.floor) if self.approvals == "native" else ()
        if lost and _any_asks(step.tools):
            raise BadRequest(f"ai {turn.floor} cannot read {', '.join(lost)}")
        return step

    def ask(self, setup: Setup, messages: Sequence[UIMessage]) -> ModelCall:
        """What a model is asked in one step."""
        return ModelCall(messages, setup.system, setup.tools, self.max_tokens, self.output)

    async def aclose(self) -> None:
        """Closes what the agent opened in the running event loop. It can be used again."""
        for model in {
            id(one): one for one in (*self._loaded.values(), *self._static.models)
        }.values():
            await model.aclose()
        for source in self.sources:
            await source.aclose()

    @property
    def asks(self) -> bool:
        """Whether a person may be asked to approve a call."""
        return _any_asks(self.tools) or any(source.asks for source in self.sources)

    @property
    def requires(self) -> frozenset[str]:
        """Chunk types without which something that was switched on cannot be shown."""
        types = self.model.requires.union(*(model.requires for model in self.fallback))
        if self.asks and self.approvals == "native":
            types = types.union(_APPROVAL)
        return types

    @property
    def _static(self) -> Setup:
        system = None if callable(self.system) else self.system
        return Setup((self.model, *self.fallback), system, self.tools, self.sources)

    def _model(self, model: str | Model) -> Model:
        if not isinstance(model, str):
            return model
        if model not in self._loaded:
            self._loaded[model] = _load(model, self._client, self._options)
        return self._loaded[model]


def _sorted(tools: Sequence[AgentTool]) -> tuple[tuple[Tool, ...], tuple[ToolSource, ...]]:
    """The tools that are there, and where the others come from."""
    own: list[Tool] = []
    sources: list[ToolSource] = []
    for one in tools:
        if isinstance(one, ClientTool | ProviderTool | FunctionTool):
            own.append(one)
        elif isinstance(one, ToolSource):
            sources.append(one)
        else:
            own.append(tool(one))
    return tuple(own), tuple(sources)


def _any_asks(tools: Sequence[Tool]) -> bool:
    return any(isinstance(one, FunctionTool) and one.needs_approval for one in tools)


async def with_sources(setup: Setup, turn: Turn) -> Setup:
    """The same with the tools that its sources have now; of two with one name, the first."""
    if not setup.sources:
        return setup
    named = {one.name: one for one in setup.tools}
    # All at once: each of them may have to be waited for.
    found = await asyncio.gather(*(source.tools(turn) for source in setup.sources))
    for one in chain(*found):
        if named.setdefault(one.name, one) is not one:
            logger.warning("there are two tools named %s: one is left out", one.name)
    return replace(setup, tools=tuple(named.values()))


async def _awaited(value: _T | Awaitable[_T]) -> _T:
    """What a hook gave, which may be a function or a coroutine function."""
    return await value if inspect.isawaitable(value) else value


def _load(name: str, client: Any, options: AnthropicOptions | None) -> Model:
    # Imported on use: an app with a model of its own needs no provider's SDK.
    if name == "demo":
        if options is not None:
            raise ValueError("options: the demo model has none")
        from usechat_server.providers.demo import DemoModel

        return DemoModel()
    from usechat_server.providers.anthropic import AnthropicModel

    return AnthropicModel(name, options, client=client)
