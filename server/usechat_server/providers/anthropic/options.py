"""AnthropicOptions: what an agent may set of the Messages API's parameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, Literal, TypeVar

from anthropic import transform_schema
from anthropic.types.beta import (
    BetaSkillParams,
    BetaThinkingConfigParam,
)
from anthropic.types.beta.beta_context_management_config_param import Edit
from pydantic import BaseModel, ConfigDict, Field, WrapValidator
from pydantic.dataclasses import dataclass

__all__ = ["AnthropicOptions"]

_T = TypeVar("_T")


def _unchanged(value: Any, check: Callable[[Any], Any]) -> Any:
    check(value)
    return value


#: Checked against the SDK's type, and passed on as it was given.
AsGiven = Annotated[_T, WrapValidator(_unchanged)]

Thinking = Annotated[BetaThinkingConfigParam, Field(discriminator="type")]


#: (The SDK's own type takes any iterable, which could be read only once.)
ContextManagement = dict[Literal["edits"], list[Edit]]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class AnthropicOptions:
    """Parameters of the Messages API, under their own names and with the SDK's types.

        Agent("claude-sonnet-5-5", options=AnthropicOptions(thinking={"type": "adaptive"}))

    Raises ValueError, which names the option, for what no model accepts. What only some models
    accept is for the API to say. `anthropic-beta` is set by itself where an option needs it.
    """

    thinking: AsGiven[Thinking] | None = None
    #: how much the model puts into an answer
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    #: the answer is JSON of this shape: a pydantic model, or a JSON Schema
    output_format: type[BaseModel] | dict[str, Any] | None = None
    stop_sequences: Sequence[Annotated[str, Field(min_length=1)]] = ()
    #: the sampling parameters, for models that take them
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    #: tokens that the model may plan a long task with
    task_budget: Annotated[int, Field(ge=1)] | None = None
    #: models that answer when the first one declines, or the provider's choice of them
    fallbacks: Literal["default"] | list[dict[str, Any]] | None = None
    context_management: AsGiven[ContextManagement] | None = None
    #: what the container of `code_execution()` holds, `{"type": "anthropic", "skill_id": "pptx"}`
    skills: AsGiven[list[BetaSkillParams]] = field(default_factory=list)
    #: id of a container that exists already
    container: str | None = None
    #: mark what calls have in common (tools, system prompt, history), so that it is not paid in
    #: full again; kept for 5 minutes or, with "1h", for an hour
    cache: bool | Literal["5m", "1h"] = True
    #: the model cites the documents that people send
    citations: bool = False
    #: further values of the header `anthropic-beta`
    betas: Sequence[Annotated[str, Field(pattern=r"^[^\s,]+$")]] = ()
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    #: further parameters, whatever they are; they go before all else
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.citations and self.output_format is not None:
            raise ValueError("citations cannot be given with output_format")
        budget = self.thinking_budget
        if budget is not None and budget < 1024:
            raise ValueError(f"thinking: budget_tokens must be at least 1024, not {budget}")

    @property
    def thinking_budget(self) -> int | None:
        """Tokens for thinking, where they were given by hand."""
        thinking = self.thinking
        return thinking["budget_tokens"] if thinking and thinking["type"] == "enabled" else None

    def body(self) -> dict[str, Any]:
        """The parameters that are the same in every call."""
        output = _given(
            effort=self.effort,
            format=_format(self.output_format),
            task_budget=self.task_budget and {"type": "tokens", "total": self.task_budget},
        )
        return _given(
            thinking=self.thinking,
            output_config=output or None,
            stop_sequences=list(self.stop_sequences) or None,
            temperature=self.temperature,
            top_p=self.top_p,
            top_k=self.top_k,
            service_tier=self.service_tier,
            speed=self.speed,
            fallbacks=self.fallbacks,
            context_management=self.context_management,
        )

    def needed_betas(self) -> list[str]:
        """What `anthropic-beta` must name for these options. Source: the SDK's stable types, which
        lack what needs one, and the parameters' docs in the beta ones."""
        thinking: Mapping[str, Any] = self.thinking or {}
        edits = self.context_management["edits"] if self.context_management else ()
        listed = isinstance(self.fallbacks, list) and bool(self.fallbacks)
        needed = {
            "thinking-display-updates-2026-08-18": thinking.get("display") == "updates",
            "thinking-binding-controls-2026-08-01": "block_binding" in thinking,
            "task-budgets-2026-03-13": self.task_budget is not None,
            "fast-mode-2026-02-01": self.speed is not None,
            "server-side-fallback-2026-06-01": listed,
            "server-side-fallback-2026-07-01": self.fallbacks == "default",
            "context-management-2025-06-27": self.context_management is not None,
            "compact-2026-01-12": any(edit["type"] == "compact_20260112" for edit in edits),
        }
        return [*(beta for beta, is_needed in needed.items() if is_needed), *self.betas]


def _format(given: type[BaseModel] | dict[str, Any] | None) -> dict[str, Any] | None:
    if given is None:
        return None
    schema = given if isinstance(given, dict) else transform_schema(given)
    return {"type": "json_schema", "schema": schema}


def _given(**keys: Any) -> dict[str, Any]:
    return {key: value for key, value in keys.items() if value is not None}
