"""AnthropicModel: Claude as a model of an agent."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from usechat_server.providers.anthropic.api import MessagesAPI
from usechat_server.providers.anthropic.client import Client, Clients, provider_of
from usechat_server.providers.anthropic.model_info import (
    ModelInfo,
    required_capabilities,
    unsupported_features,
)
from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.providers.anthropic.request.build import build_request
from usechat_server.providers.anthropic.request.parameters import (
    check_parameters,
    has_code_execution,
    request_parameters,
)
from usechat_server.providers.anthropic.response.translate import ResponseTranslator
from usechat_server.providers.attempts import Attempt, Attempts
from usechat_server.providers.base import ModelCall
from usechat_server.providers.call_ids import call_ids
from usechat_server.providers.history.reductions import Reduction
from usechat_server.providers.history.user_parts import new_file_names
from usechat_server.providers.sdk_stream import SDKStream
from usechat_server.tools import DeclaredTool, Tool

__all__ = ["DEFAULT_MAX_TOKENS", "AnthropicModel"]

_log = logging.getLogger("usechat.anthropic")

#: The most tokens of a response when neither the agent nor the provider's model list says: what
#: every current model allows.
DEFAULT_MAX_TOKENS = 32_000


class AnthropicModel:
    """A Claude model.

        Agent(AnthropicModel("claude-sonnet-5-5", AnthropicOptions(effort="low")))

    Args:
        name: The model's name in the API, such as `claude-sonnet-5-5`.
        options: Parameters of the Messages API; default: none.
        client: A ready `AsyncAnthropic`, or its Bedrock, Vertex or Foundry variant. It is used as
            it is and never closed. Default: one client per event loop, configured by the standard
            variables (`ANTHROPIC_API_KEY`, `ANTHROPIC_BASE_URL`).
        byte_timeout: Seconds without a single byte from the provider after which a call fails; the
            provider's pings count as bytes.
        content_timeout: Seconds without content from the provider after which a call fails. Long
            thinking may send nothing but pings for minutes.
    """

    #: every client version can read everything that this model sends
    requires: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        options: AnthropicOptions | None = None,
        *,
        client: Client | None = None,
        byte_timeout: float = 90.0,
        content_timeout: float = 600.0,
    ) -> None:
        self.name = name
        self.provider: str = provider_of(client)
        self.options: AnthropicOptions = options or AnthropicOptions()
        self._clients = Clients(client)
        self._info = ModelInfo(name)
        self._byte_timeout = byte_timeout
        self._content_timeout = content_timeout

    def check(self, call: ModelCall) -> None:
        """Check that the tools and options can be used together.

        Args:
            call: A call without messages.

        Raises:
            ValueError: Names the tool or option that cannot.
        """
        check_parameters(self._options(call), call.tools, call.max_tokens or DEFAULT_MAX_TOKENS)

    def missing_credentials(self) -> str | None:
        """Return what to set if the SDK finds no credentials, else None."""
        return None if self._clients.has_credentials() else "set ANTHROPIC_API_KEY"

    def stream(self, call: ModelCall) -> SDKStream[Client]:
        """Build the request, without I/O; iterating the result sends it.

        Args:
            call: The conversation, and what the model may use.

        Returns:
            The response, which is not requested yet.

        Raises:
            ChatError: The messages cannot be sent to this model; the text is for the user.
        """
        options = self._options(call)
        max_tokens = call.max_tokens or self._info.max_tokens
        used_ids = call_ids(call.messages)
        declared_tools = [tool for tool in call.tools if isinstance(tool, DeclaredTool)]

        def build(reduction: Reduction) -> Attempt:
            body = build_request(
                call,
                model=self.name,
                max_tokens=max_tokens or DEFAULT_MAX_TOKENS,
                reduction=reduction,
                code_files=has_code_execution(call.tools),
            )
            request = request_parameters(body, call.tools, options)
            container = request["extra_body"].get("container")
            return Attempt(
                request,
                ResponseTranslator(declared_tools, body, used_ids, call.prove),
                body["messages"],
                container.get("id") if isinstance(container, dict) else container,
            )

        # Not the call itself, whose history must not stay in memory once it is sent.
        tools = call.tools

        def fetch_model_info(client: Client) -> None:
            self._info.fetch(client, lambda entry: self._log_unsupported(options, tools, entry))

        is_info_needed = not max_tokens or any(required_capabilities(options, tools))
        return SDKStream(
            MessagesAPI(self._clients),
            Attempts(build, new_file_names(call.messages)),
            get_client=self._clients.get,
            # Only once the response has begun, so that it is not delayed.
            on_open=fetch_model_info if is_info_needed else None,
            byte_timeout=self._byte_timeout,
            content_timeout=self._content_timeout,
        )

    def check_messages(self, call: ModelCall) -> None:
        """Check that a conversation can be sent.

        Args:
            call: The conversation, which ends with the message to respond to.

        Raises:
            ChatError: They cannot; the text is for the user.
        """
        build_request(call, model=self.name, max_tokens=DEFAULT_MAX_TOKENS)

    def _options(self, call: ModelCall) -> AnthropicOptions:
        """Return the options for a call, with the agent's output type."""
        if call.output is None:
            return self.options
        return replace(self.options, output_format=call.output)

    def _log_unsupported(
        self, options: AnthropicOptions, tools: Sequence[Tool], entry: Mapping[str, Any]
    ) -> None:
        for feature in unsupported_features(options, tools, entry):
            _log.error("%s does not support %s according to the model list", self.name, feature)

    async def aclose(self) -> None:
        """Close what this model opened in the running event loop."""
        await self._info.aclose()
        await self._clients.aclose()
