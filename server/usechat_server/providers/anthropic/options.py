"""AnthropicOptions: the parameters of the Messages API that an agent may set."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, Literal, TypeVar

from anthropic.types.beta import (
    BetaSkillParams,
    BetaThinkingConfigParam,
)
from anthropic.types.beta.beta_context_management_config_param import Edit
from pydantic import BaseModel, ConfigDict, Field, WrapValidator
from pydantic.dataclasses import dataclass

from usechat_server.providers.anthropic.request.output_schema import output_schema
from usechat_server.providers.json_objects import without_none

__all__ = ["AnthropicOptions"]

_T = TypeVar("_T")


def _validate_only(value: Any, validate: Callable[[Any], Any]) -> Any:
    validate(value)
    return value


#: Checked against the SDK's type, and passed on unchanged.
Unchanged = Annotated[_T, WrapValidator(_validate_only)]

Thinking = Annotated[BetaThinkingConfigParam, Field(discriminator="type")]


#: Source: the API's page on extended thinking.
_MIN_TOP_P_OF_THINKING = 0.95


#: (The SDK's own type accepts any iterable, which could be read only once.)
ContextManagement = dict[Literal["edits"], list[Edit]]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class AnthropicOptions:
    """Parameters of the Messages API, with the API's names and the SDK's types.

        Agent("claude-sonnet-5-5", options=AnthropicOptions(thinking={"type": "adaptive"}))

    What only some models accept is not checked here: the API refuses it. Options that need a value
    in the header `anthropic-beta` add it.

    Args:
        thinking: Extended thinking, such as `{"type": "adaptive"}` or
            `{"type": "enabled", "budget_tokens": 4096}`.
        effort: How much work the model puts into a response.
        output_format: The response is JSON: a pydantic model, or a JSON Schema.
        stop_sequences: Texts that end the response.
        temperature: Randomness, from 0 to 1, for models that accept it.
        top_p: Nucleus sampling, from 0 to 1, for models that accept it.
        top_k: Sample only from this many tokens, for models that accept it.
        service_tier: Whether priority capacity may be used.
        speed: `"fast"` for faster output at a higher price.
        task_budget: Tokens that the model may plan a long task with.
        fallbacks: Models that respond when the first one declines, or the provider's choice.
        context_management: Edits of a long context, `{"edits": [{"type": "compact_20260112"}]}`.
        skills: Skills in the container of `code_execution()`, such as
            `[{"type": "anthropic", "skill_id": "pptx"}]`.
        container: Id of an existing container for `code_execution()`.
        cache: Prompt caching for tools, system prompt and history: for 5 minutes (`True` or
            `"5m"`), for an hour (`"1h"`), or none (`False`).
        citations: The model cites the documents that users send.
        betas: Further values of the header `anthropic-beta`.
        extra_headers: Further headers of the request.
        extra_body: Further parameters of the request; they override everything else.

    Raises:
        ValueError: No model accepts this; the text names the option.
    """

    thinking: Unchanged[Thinking] | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    output_format: type[BaseModel] | dict[str, Any] | None = None
    stop_sequences: Sequence[Annotated[str, Field(min_length=1)]] = ()
    temperature: Annotated[float, Field(ge=0, le=1)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=1)] | None = None
    service_tier: Literal["auto", "standard_only"] | None = None
    speed: Literal["standard", "fast"] | None = None
    task_budget: Annotated[int, Field(ge=1)] | None = None
    fallbacks: Literal["default"] | list[dict[str, Any]] | None = None
    context_management: Unchanged[ContextManagement] | None = None
    skills: Unchanged[list[BetaSkillParams]] = field(default_factory=list)
    container: str | None = None
    cache: bool | Literal["5m", "1h"] = True
    citations: bool = False
    betas: Sequence[Annotated[str, Field(pattern=r"^[^\s,]+$")]] = ()
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.citations and self.output_format is not None:
            raise ValueError("citations: cannot be combined with output_format")
        budget = self.thinking_budget
        if budget is not None and budget < 1024:
            raise ValueError(f"thinking: expected budget_tokens of at least 1024, got {budget}")
        if any(not each.strip() for each in self.stop_sequences):
            raise ValueError("stop_sequences: expected texts that are not blank")
        if self.thinking and self.thinking["type"] != "disabled":
            self._check_sampling()
        if self.output_format is not None:
            try:
                output_schema(self.output_format)
            except ValueError as error:
                raise ValueError(f"output_format: {error}") from None

    def _check_sampling(self) -> None:
        """Check what the API refuses together with thinking."""
        if self.temperature not in (None, 1):
            raise ValueError("temperature: expected 1 with thinking, or none")
        if self.top_k is not None:
            raise ValueError("top_k: cannot be combined with thinking")
        if self.top_p is not None and self.top_p < _MIN_TOP_P_OF_THINKING:
            raise ValueError(
                f"top_p: expected at least {_MIN_TOP_P_OF_THINKING} with thinking, got {self.top_p}"
            )

    @property
    def thinking_budget(self) -> int | None:
        """The tokens of thinking with a fixed budget; None otherwise."""
        thinking = self.thinking
        return thinking["budget_tokens"] if thinking and thinking["type"] == "enabled" else None

    def body(self) -> dict[str, Any]:
        """Return the parameters that are the same in every request."""
        task_budget = self.task_budget and {"type": "tokens", "total": self.task_budget}
        output_config = without_none(
            {
                "effort": self.effort,
                "format": _output_format_parameter(self.output_format),
                "task_budget": task_budget,
            }
        )
        return without_none(
            {
                "thinking": self.thinking,
                "output_config": output_config or None,
                "stop_sequences": list(self.stop_sequences) or None,
                "temperature": self.temperature,
                "top_p": self.top_p,
                "top_k": self.top_k,
                "service_tier": self.service_tier,
                "speed": self.speed,
                "fallbacks": self.fallbacks,
                "context_management": self.context_management,
            }
        )

    def needed_betas(self) -> list[str]:
        """Return the values of `anthropic-beta` for these options.

        Source: the SDK's stable types, which lack the parameters that need a beta, and the docs of
        the parameters in the beta types.
        """
        thinking: Mapping[str, Any] = self.thinking or {}
        edits = self.context_management["edits"] if self.context_management else ()
        has_fallback_list = isinstance(self.fallbacks, list) and bool(self.fallbacks)
        is_needed_by_beta = {
            "thinking-display-updates-2026-08-18": thinking.get("display") == "updates",
            "thinking-binding-controls-2026-08-01": "block_binding" in thinking,
            "task-budgets-2026-03-13": self.task_budget is not None,
            "fast-mode-2026-02-01": self.speed is not None,
            "server-side-fallback-2026-06-01": has_fallback_list,
            "server-side-fallback-2026-07-01": self.fallbacks == "default",
            "context-management-2025-06-27": self.context_management is not None,
            "compact-2026-01-12": any(edit["type"] == "compact_20260112" for edit in edits),
        }
        return [*(beta for beta, is_needed in is_needed_by_beta.items() if is_needed), *self.betas]


def _output_format_parameter(
    output_format: type[BaseModel] | dict[str, Any] | None,
) -> dict[str, Any] | None:
    if output_format is None:
        return None
    return {"type": "json_schema", "schema": output_schema(output_format)}
