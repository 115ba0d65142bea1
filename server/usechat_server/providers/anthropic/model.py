"""AnthropicModel: Claude as a model backend."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from usechat_server.providers.anthropic.client import Client, Clients, TokenLimit
from usechat_server.providers.anthropic.model_info import asked, unsupported
from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.providers.anthropic.request.build import request
from usechat_server.providers.anthropic.request.parameters import check, parameters
from usechat_server.providers.anthropic.response.stream import AnthropicStream
from usechat_server.providers.anthropic.response.translate import Translation
from usechat_server.providers.base import ModelCall
from usechat_server.tools import DeclaredTool, Tool

__all__ = ["DEFAULT_MAX_TOKENS", "AnthropicModel"]

_log = logging.getLogger("usechat.anthropic")

#: Tokens that an answer may have when neither the agent nor the provider's model list says: the
#: most that every current model allows.
DEFAULT_MAX_TOKENS = 32_000


class AnthropicModel:
    """A model of the Messages API.

        Agent(AnthropicModel("claude-sonnet-5-5", AnthropicOptions(effort="low")))

    `client` is a ready `AsyncAnthropic`, or its Bedrock, Vertex or Foundry kin; it is used as it
    is and never closed here. Without it, one is made per event loop from the standard variables.

    A call fails when the provider sends no byte for `byte_timeout` seconds (its pings count), or
    nothing that belongs to the answer for `content_timeout` seconds. Long thinking may show
    nothing for minutes.
    """

    #: everything that this backend sends is known to every client
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
        self.options = options or AnthropicOptions()
        self._clients = Clients(client)
        self._limit = TokenLimit(name)
        self._byte_timeout = byte_timeout
        self._content_timeout = content_timeout

    def check(self, call: ModelCall) -> None:
        """Raises ValueError for tools and options that cannot go together."""
        check(self._options(call), call.tools, call.max_tokens or DEFAULT_MAX_TOKENS)

    def stream(self, call: ModelCall) -> AnthropicStream:
        """Translates the history, at once and without I/O. Raises ChatError."""
        options = self._options(call)
        limit = call.max_tokens or self._limit.value
        made = request(call, model=self.name, max_tokens=limit or DEFAULT_MAX_TOKENS)

        # Not the call itself, whose history must not outlive its sending.
        tools = call.tools

        def opened(client: Client) -> None:
            self._limit.fetch(client, lambda entry: self._compare(options, tools, entry))

        return AnthropicStream(
            parameters(made, call.tools, options),
            Translation([tool for tool in call.tools if isinstance(tool, DeclaredTool)], made),
            client=self._clients.get,
            # Asked for only while it is needed, and after the answer is on its way.
            opened=None if limit and not any(asked(options, tools)) else opened,
            byte_timeout=self._byte_timeout,
            content_timeout=self._content_timeout,
        )

    def _options(self, call: ModelCall) -> AnthropicOptions:
        """The options of a call: the agent may ask for an answer of a given shape."""
        if call.output is None:
            return self.options
        return replace(self.options, output_format=call.output)

    def _compare(
        self, options: AnthropicOptions, tools: Sequence[Tool], entry: Mapping[str, Any]
    ) -> None:
        for name in unsupported(options, tools, entry):
            _log.error("%s does not support %s, says the model list", self.name, name)

    async def aclose(self) -> None:
        """Closes what this model opened in the running event loop."""
        await self._limit.aclose()
        await self._clients.aclose()
