"""OpenAIChatOptions: the parameters of Chat Completions that an agent may set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.dataclasses import dataclass

from usechat_server.providers.json_objects import without_none
from usechat_server.providers.openai.output_schema import json_schema

__all__ = ["OpenAIChatOptions"]


@dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))
class OpenAIChatOptions:
    """Parameters of the Chat Completions API, with the API's names.

        Agent("openai-chat:gpt-5.5", options=OpenAIChatOptions(reasoning_effort="low"))

    What only some models or servers accept is not checked here: they refuse it.

    Args:
        reasoning_effort: How much a reasoning model thinks, such as `"low"`.
        verbosity: How long the responses are.
        output_format: The response is JSON: a pydantic model, a JSON Schema, or `"json_object"`
            for any object.
        temperature: Randomness, from 0 to 2, for models that accept it.
        top_p: Nucleus sampling, from 0 to 1, for models that accept it.
        frequency_penalty: From -2 to 2.
        presence_penalty: From -2 to 2.
        stop: Texts that end the response.
        seed: The same request with the same seed mostly gives the same response.
        parallel_tool_calls: Whether the model may call several tools at once.
        service_tier: The provider's tier, such as `"flex"` or `"priority"`.
        prompt_cache_key: Requests with the same key find each other's prompt cache more often.
        safety_identifier: A stable id of the user, for the provider's abuse detection.
        store: Whether the provider stores the response.
        system_role: The role of the system prompt. OpenAI accepts both for every model.
        max_tokens_name: The parameter of the most tokens; default: `max_completion_tokens` for
            OpenAI and Azure, `max_tokens` for other servers.
        include_usage: Whether the tokens are requested, unless the server has refused that.
        extra_headers: Further headers of the request.
        extra_body: Further parameters of the request; they override everything else.

    Raises:
        ValueError: No model accepts this; the text names the option.
    """

    reasoning_effort: str | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    output_format: type[BaseModel] | dict[str, Any] | Literal["json_object"] | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(ge=0, le=1)] | None = None
    frequency_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    presence_penalty: Annotated[float, Field(ge=-2, le=2)] | None = None
    stop: Sequence[Annotated[str, Field(min_length=1)]] = ()
    seed: int | None = None
    parallel_tool_calls: bool | None = None
    service_tier: str | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    store: bool | None = None
    system_role: Literal["system", "developer"] = "system"
    max_tokens_name: Literal["max_tokens", "max_completion_tokens"] | None = None
    include_usage: bool = True
    extra_headers: Mapping[str, str] = field(default_factory=dict)
    extra_body: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """Return the parameters that are the same in every request."""
        return without_none(
            {
                "reasoning_effort": self.reasoning_effort,
                "verbosity": self.verbosity,
                "response_format": self._response_format(),
                "temperature": self.temperature,
                "top_p": self.top_p,
                "frequency_penalty": self.frequency_penalty,
                "presence_penalty": self.presence_penalty,
                "stop": list(self.stop) or None,
                "seed": self.seed,
                "service_tier": self.service_tier,
                "prompt_cache_key": self.prompt_cache_key,
                "safety_identifier": self.safety_identifier,
                "store": self.store,
                "stream_options": {"include_usage": True} if self.include_usage else None,
            }
        )

    def _response_format(self) -> dict[str, Any] | None:
        if self.output_format is None:
            return None
        if self.output_format == "json_object":
            return {"type": "json_object"}
        assert not isinstance(self.output_format, str)  # noqa: S101
        return {"type": "json_schema", "json_schema": json_schema(self.output_format)}
