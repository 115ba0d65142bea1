"""What the loop asks of an agent: models, tools, limits, and the settings of each step."""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Literal, TypeVar

from pydantic import BaseModel
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import missing

from usechat_server.errors import InvalidRequest
from usechat_server.providers.base import Model, ModelCall, ModelStream
from usechat_server.results import MetadataHook, Step
from usechat_server.tools import ClientTool, FunctionTool, ProviderTool, Tool, ToolSource, tool
from usechat_server.turn import Turn

__all__ = [
    "AgentSpec",
    "AgentTool",
    "NextStep",
    "StepConfig",
    "StepHook",
    "SystemHook",
    "split_tools",
    "with_source_tools",
]

logger = logging.getLogger("usechat.agent")

#: The chunk types by which a client shows an approval request and a denial.
_APPROVAL = ("tool-approval-request", "tool-output-denied")

_T = TypeVar("_T")

#: A tool, a source of tools, or a function to make a tool of (see `tool`).
AgentTool = Tool | ToolSource | Callable[..., Any]

#: Returns the system prompt of a turn.
SystemHook = Callable[[Turn], str | Awaitable[str | None] | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What an `on_step` hook changes for the next step only. None: as the agent has it."""

    model: str | Model | None = None
    system: str | None = None
    #: (a call that is approved later is run by the agent's own tools: it comes before any step)
    tools: Sequence[AgentTool] | None = None
    #: end the run instead
    stop: bool = False


#: Called before each step, the first included, with the turn whose message is as it is now, and the
#: steps of this run so far.
StepHook = Callable[[Turn, Sequence[Step]], NextStep | Awaitable[NextStep | None] | None]


@dataclass(frozen=True, slots=True)
class StepConfig:
    """What one model call is made with."""

    #: the model, then its fallbacks
    models: tuple[Model, ...]
    system: str | None
    tools: tuple[Tool, ...]
    sources: tuple[ToolSource, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSpec:
    """An agent as the loop sees it. The fields are those of `Agent`."""

    model: Model
    fallback: tuple[Model, ...]
    #: the model of a name that `on_step` gave
    load_model: Callable[[str | Model], Model]
    system: str | SystemHook | None
    tools: tuple[Tool, ...]
    sources: tuple[ToolSource, ...]
    max_tokens: int | None
    max_steps: int
    max_total_tokens: int | None
    timeout: float | None
    on_step: StepHook | None
    output: type[BaseModel] | None
    approvals: Literal["native", "client-tool"]
    metadata: MetadataHook | None

    @property
    def static_config(self) -> StepConfig:
        """The part of a step's settings that no turn changes."""
        system = None if callable(self.system) else self.system
        return StepConfig((self.model, *self.fallback), system, self.tools, self.sources)

    def first_call(self, turn: Turn) -> ModelStream | None:
        """Build a turn's first model call, unsent; None where it depends on hooks or sources that
        only run once the response began.

        Raises:
            ChatError: The history cannot be sent to the model.
        """
        if callable(self.system) or self.sources or self.on_step is not None:
            return None
        return self.model.stream(self.build_call(self.static_config, turn.messages))

    async def turn_config(self, turn: Turn) -> StepConfig:
        """Return what all steps of a turn have in common; each step asks the sources anew."""
        config = self.static_config
        if callable(self.system):
            config = replace(config, system=await _resolve(self.system(turn)))
        return config

    async def next_step(
        self, config: StepConfig, turn: Turn, steps: Sequence[Step]
    ) -> StepConfig | None:
        """Return the settings of the next step; None if `on_step` ends the run.

        Raises:
            ChatError: A tool may need approval, and the client could not show the request. Tools
                of `on_step`, and agents that a handler streams, are not known earlier.
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
        lost = missing(_APPROVAL, turn.client_version) if self.approvals == "native" else ()
        if lost and _any_needs_approval(step.tools):
            raise InvalidRequest(f"ai {turn.client_version} cannot read {', '.join(lost)}")
        return step

    def build_call(self, config: StepConfig, messages: Sequence[UIMessage]) -> ModelCall:
        """Return the model call of one step."""
        return ModelCall(messages, config.system, config.tools, self.max_tokens, self.output)

    @property
    def may_require_approval(self) -> bool:
        """Whether a call may wait for the user's approval."""
        return _any_needs_approval(self.tools) or any(source.asks for source in self.sources)

    @property
    def required_chunk_types(self) -> frozenset[str]:
        """The chunk types without which a feature that is in use cannot be shown."""
        types = self.model.requires.union(*(model.requires for model in self.fallback))
        if self.may_require_approval and self.approvals == "native":
            types = types.union(_APPROVAL)
        return types


def split_tools(
    tools: Sequence[AgentTool],
) -> tuple[tuple[Tool, ...], tuple[ToolSource, ...]]:
    """Return the tools, functions made into tools, and the sources of further tools."""
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


async def with_source_tools(config: StepConfig, turn: Turn) -> StepConfig:
    """Return the settings with the tools that the sources list now; the first of a name wins."""
    if not config.sources:
        return config
    by_name = {tool.name: tool for tool in config.tools}
    # All at once: each of them may have to be waited for.
    listed = await asyncio.gather(*(source.tools(turn) for source in config.sources))
    for one in chain(*listed):
        if by_name.setdefault(one.name, one) is not one:
            logger.warning("duplicate tool name %s: keeping the first", one.name)
    return replace(config, tools=tuple(by_name.values()))


def _any_needs_approval(tools: Sequence[Tool]) -> bool:
    return any(isinstance(tool, FunctionTool) and tool.needs_approval for tool in tools)


async def _resolve(value: _T | Awaitable[_T]) -> _T:
    """Return the value of a hook, which may be a function or a coroutine function."""
    return await value if inspect.isawaitable(value) else value
