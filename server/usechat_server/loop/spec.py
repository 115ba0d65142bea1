"""AgentSpec: an agent's models, tools and limits, and the configuration of each step."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import missing

from usechat_server.approvals import Approvals
from usechat_server.errors import InvalidRequest
from usechat_server.loop.refusals import without_refused_turns
from usechat_server.loop.tool_calls import CallLimits
from usechat_server.providers.base import ChecksMessages, Model, ModelCall, ModelStream
from usechat_server.results import MetadataHook, Step
from usechat_server.tools import ClientTool, FunctionTool, ProviderTool, Tool, ToolSource, tool
from usechat_server.turn import BodyT, Turn

__all__ = [
    "AgentSpec",
    "AgentTool",
    "NextStep",
    "StartMetadataHook",
    "StepConfig",
    "StepHook",
    "SystemHook",
    "split_tools",
    "with_source_tools",
]

logger: logging.Logger = logging.getLogger("usechat.agent")

#: The chunk types that a client needs for approval requests and denials.
_APPROVAL = ("tool-approval-request", "tool-output-denied")

_T = TypeVar("_T")

#: A tool, a source of tools, or a function that `tool` makes a tool of.
AgentTool = Tool | ToolSource | Callable[..., Any]

#: Returns the system prompt of a turn.
SystemHook = Callable[[Turn[BodyT]], str | Awaitable[str | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What an `on_step` hook changes for the next step only. None keeps the agent's setting.

    Attributes:
        model: The model of this step, as `Agent` takes it.
        system: The system prompt.
        tools: The tools, instead of the agent's. While a call of such a tool waits for the client
            or the user, the hook has to return it for the first step of the turn that continues
            the message: that is where the call is resolved.
        stop: Whether the run ends instead of making this step.
    """

    model: str | Model | None = None
    system: str | None = None
    tools: Sequence[AgentTool] | None = None
    stop: bool = False


#: Returns the message metadata that is sent at the start of a run.
StartMetadataHook = Callable[[Turn[BodyT]], Mapping[str, Any] | None]

#: Called before each step, including the first, with the turn as it is now and the steps of the run
#: so far; and before that if the turn continues a message with open calls of other tools than the
#: agent's.
StepHook = Callable[[Turn[BodyT], Sequence[Step]], NextStep | Awaitable[NextStep | None] | None]


@dataclass(frozen=True, slots=True)
class StepConfig:
    """The models, system prompt and tools of one model call."""

    #: the model, then its fallbacks
    models: tuple[Model, ...]
    system: str | None
    tools: tuple[Tool, ...]
    sources: tuple[ToolSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent as the loop sees it. For the fields, see `Agent`."""

    model: Model
    fallback: tuple[Model, ...]
    #: returns the model for what `on_step` gave, a name or a model
    load_model: Callable[[str | Model], Model]
    system: str | SystemHook | None
    tools: tuple[Tool, ...]
    sources: tuple[ToolSource, ...]
    max_tokens: int | None
    max_steps: int
    call_limits: CallLimits
    max_total_tokens: int | None
    timeout: float | None
    on_step: StepHook | None
    output: type[BaseModel] | None
    approvals: Literal["native", "client-tool"]
    metadata: MetadataHook | None
    start_metadata: StartMetadataHook | None
    may_use_file: Callable[[Turn, str], bool] | None

    @property
    def static_config(self) -> StepConfig:
        """The configuration of a step, without what depends on the turn."""
        system = None if callable(self.system) else self.system
        return StepConfig((self.model, *self.fallback), system, self.tools, self.sources)

    def first_call(self, turn: Turn, approvals: Approvals | None = None) -> ModelStream | None:
        """Build the first model call of a turn, unsent. None if it depends on hooks or sources,
        which are called after the response has started.

        Args:
            turn: The turn.
            approvals: Proves what the client sends back. None: the history is the server's own.

        Raises:
            ChatError: The history cannot be sent to the model, whatever hooks and sources return.
        """
        call = self.build_call(self.static_config, turn, approvals)
        if callable(self.system) or self.sources or self.on_step is not None:
            if isinstance(self.model, ChecksMessages):
                self.model.check_messages(call)
            return None
        return self.model.stream(call)

    async def turn_config(self, turn: Turn) -> StepConfig:
        """Return the configuration of a turn's steps, without the tools of its sources."""
        config = self.static_config
        if callable(self.system):
            config = replace(config, system=await _resolve(self.system(turn)))
        return config

    async def next_step(
        self, config: StepConfig, turn: Turn, steps: Sequence[Step]
    ) -> StepConfig | None:
        """Return the configuration of the next step, or None if `on_step` ends the run.

        Raises:
            InvalidRequest: A tool may need approval, and the client does not support approval
                requests. The tools of `on_step`, and those of agents that a handler streams, are
                not known earlier.
        """
        changes = None if self.on_step is None else await _resolve(self.on_step(turn, steps))
        if changes is not None:
            if changes.stop:
                return None
            if changes.model is not None:
                model = self.load_model(changes.model)
                config = replace(config, models=(model, *self.fallback))
            if changes.system is not None:
                config = replace(config, system=changes.system)
            if changes.tools is not None:
                tools, sources = split_tools(changes.tools)
                config = replace(config, tools=tools, sources=sources)
        step = await with_source_tools(config, turn)
        unsupported = missing(_APPROVAL, turn.client_version) if self.approvals == "native" else ()
        if unsupported and _any_needs_approval(step.tools):
            raise InvalidRequest(
                f"ai {turn.client_version} does not support {', '.join(unsupported)}"
            )
        return step

    async def continuation_tools(
        self, config: StepConfig, turn: Turn, tool_names: Collection[str]
    ) -> tuple[Tool, ...]:
        """Return the tools that a continued message may have called.

        Args:
            config: The configuration of the turn's steps.
            turn: The turn that continues the message.
            tool_names: The tools whose calls are open. `on_step` is asked for those that the agent
                does not have.

        Raises:
            InvalidRequest: As for `next_step`.
        """
        tools = (await with_source_tools(config, turn)).tools
        if self.on_step is None or {tool.name for tool in tools}.issuperset(tool_names):
            return tools
        step = await self.next_step(config, turn, ())
        by_name = {tool.name: tool for tool in (*(step.tools if step else ()), *tools)}
        return tuple(by_name.values())

    def build_call(
        self,
        config: StepConfig,
        turn: Turn,
        approvals: Approvals | None = None,
        corrections: Sequence[UIMessage] = (),
    ) -> ModelCall:
        """Return the model call of one step.

        Args:
            config: The configuration of the step.
            turn: The turn as it is now.
            approvals: As for `first_call`.
            corrections: Messages after those of the turn, which are not part of the chat.
        """
        may_use_file = self.may_use_file
        return ModelCall(
            without_refused_turns([*turn.messages, *corrections]),
            config.system,
            config.tools,
            self.max_tokens,
            self.output,
            may_use_file=may_use_file and partial(may_use_file, turn),
            prove=None if approvals is None else approvals.prover(turn),
        )

    def empty_call(self) -> ModelCall:
        """Return a model call without messages, to check what the agent was set up with."""
        config = self.static_config
        return ModelCall((), config.system, config.tools, self.max_tokens, self.output)

    @property
    def may_require_approval(self) -> bool:
        """Whether a call may wait for the user's approval."""
        return _any_needs_approval(self.tools) or any(
            source.may_require_approval for source in self.sources
        )

    @property
    def requires_approval_requests(self) -> bool:
        """Whether clients must support the protocol's approval requests (AI SDK 6)."""
        return self.may_require_approval and self.approvals == "native"

    @property
    def required_chunk_types(self) -> frozenset[str]:
        """The chunk types without which a feature that is in use cannot be shown."""
        types = self.model.requires.union(*(model.requires for model in self.fallback))
        if self.requires_approval_requests:
            types = types.union(_APPROVAL)
        return types


def split_tools(
    tools: Sequence[AgentTool],
) -> tuple[tuple[Tool, ...], tuple[ToolSource, ...]]:
    """Return the tools, functions made into tools, and the sources of further tools."""
    own_tools: list[Tool] = []
    sources: list[ToolSource] = []
    for each in tools:
        if isinstance(each, ClientTool | ProviderTool | FunctionTool):
            own_tools.append(each)
        elif isinstance(each, ToolSource):
            sources.append(each)
        else:
            own_tools.append(tool(each))
    return tuple(own_tools), tuple(sources)


async def with_source_tools(config: StepConfig, turn: Turn) -> StepConfig:
    """Return the configuration with the tools that its sources list now. The first tool of a name
    takes precedence."""
    if not config.sources:
        return config
    by_name = {tool.name: tool for tool in config.tools}
    # Concurrently, since each may take time.
    listed = await asyncio.gather(*(source.tools(turn) for source in config.sources))
    for source_tool in chain(*listed):
        if by_name.setdefault(source_tool.name, source_tool) is not source_tool:
            logger.warning("duplicate tool name %s: keeping the first", source_tool.name)
    return replace(config, tools=tuple(by_name.values()))


def _any_needs_approval(tools: Sequence[Tool]) -> bool:
    return any(isinstance(tool, FunctionTool) and tool.needs_approval for tool in tools)


async def _resolve(value: _T | Awaitable[_T]) -> _T:
    """Return what a sync or async hook returned."""
    return await value if inspect.isawaitable(value) else value
