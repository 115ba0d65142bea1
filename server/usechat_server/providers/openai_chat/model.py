"""OpenAIChat: a model of OpenAI, or of a server that speaks its Chat Completions API."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from usechat_server.providers.attempts import Attempt, Attempts
from usechat_server.providers.base import ModelCall
from usechat_server.providers.call_ids import call_ids
from usechat_server.providers.history.reductions import NO_REDUCTION, Reduction
from usechat_server.providers.history.user_parts import new_file_names
from usechat_server.providers.openai.client import AZURE, OPENAI, Client, Clients
from usechat_server.providers.openai.output_schema import has_object_root
from usechat_server.providers.openai_chat.api import ChatCompletionsAPI
from usechat_server.providers.openai_chat.options import OpenAIChatOptions
from usechat_server.providers.openai_chat.request.assistant import MAX_NAME_LENGTH
from usechat_server.providers.openai_chat.request.build import build_request
from usechat_server.providers.openai_chat.response.translate import ResponseTranslator
from usechat_server.providers.sdk_stream import SDKStream
from usechat_server.tools import DeclaredTool, ProviderTool

__all__ = ["OpenAIChat"]


class OpenAIChat:
    """A model over the Chat Completions API.

        Agent(OpenAIChat("gpt-5.5", OpenAIChatOptions(reasoning_effort="low")))
        Agent(OpenAIChat("llama3.2", base_url="http://localhost:11434/v1"))

    Args:
        name: The model's name in the API.
        options: Parameters of the API; default: none.
        base_url: The URL of another server with this API, such as vLLM, Ollama, Groq or
            OpenRouter. Default: `OPENAI_BASE_URL`, else OpenAI.
        api_key: The key. Default: `OPENAI_API_KEY`, which is never sent to a `base_url`, just as
            `OPENAI_ORG_ID`, `OPENAI_PROJECT_ID` and `OPENAI_CUSTOM_HEADERS`; a server there gets no
            key unless there is one here.
        client: A ready `AsyncOpenAI` or `AsyncAzureOpenAI`, used as it is and never closed, instead
            of `base_url` and `api_key`.
        byte_timeout: Seconds without a single byte from the provider after which a call fails.
        content_timeout: Seconds without content from the provider after which a call fails. Long
            reasoning may send nothing but keep-alives for minutes.

    Raises:
        ValueError: `client` and `base_url` or `api_key` are both given.
    """

    #: every client version can read everything that this model sends
    requires: frozenset[str] = frozenset()

    def __init__(
        self,
        name: str,
        options: OpenAIChatOptions | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        client: Client | None = None,
        byte_timeout: float = 90.0,
        content_timeout: float = 600.0,
    ) -> None:
        if client is not None and (base_url is not None or api_key is not None):
            raise ValueError("client: cannot be combined with base_url and api_key")
        self.name = name
        self.options: OpenAIChatOptions = options or OpenAIChatOptions()
        self._clients = Clients(client, base_url, api_key)
        self.provider: str = self._clients.provider
        #: whether the server has refused to count tokens
        self._refuses_usage = False
        self._byte_timeout = byte_timeout
        self._content_timeout = content_timeout

    def check(self, call: ModelCall) -> None:
        """Check that the tools and the output can be used with this API.

        Args:
            call: A call without messages.

        Raises:
            ValueError: Names what cannot.
        """
        names = [tool.name for tool in call.tools]
        if duplicates := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"duplicate tool: {', '.join(sorted(duplicates))}")
        for tool in call.tools:
            if isinstance(tool, ProviderTool):
                raise ValueError(
                    f"tools: {tool.name} is a tool of {tool.provider}; Chat Completions has none"
                )
            if len(tool.name) > MAX_NAME_LENGTH:
                raise ValueError(
                    f"tools: expected names of at most {MAX_NAME_LENGTH} characters, "
                    f"got {tool.name}"
                )
        response_format = self._parameters(call)["extra_body"].get("response_format")
        if self.provider in (OPENAI, AZURE) and not has_object_root(response_format):
            raise ValueError(
                "output: OpenAI requires a schema whose root is an object: expected a model with "
                "fields"
            )

    def missing_credentials(self) -> str | None:
        """Return what to set if there is no key, else None."""
        return self._clients.missing_credentials()

    def stream(self, call: ModelCall) -> SDKStream[Client]:
        """Build the request, without I/O; iterating the result sends it.

        Args:
            call: The conversation, and what the model may use.

        Returns:
            The response, which is not requested yet.

        Raises:
            ChatError: The messages cannot be sent to this model; the text is for the user.
        """
        parameters = self._parameters(call)
        used_ids = call_ids(call.messages)
        declared_tools = [tool for tool in call.tools if isinstance(tool, DeclaredTool)]
        leaves_out_usage = False

        def build(reduction: Reduction) -> Attempt:
            nonlocal leaves_out_usage
            leaves_out_usage = reduction.usage
            body = self._build(call, reduction)
            request = {**body, **parameters}
            if self._refuses_usage or leaves_out_usage:
                extra_body = request["extra_body"]
                others = {key: extra_body[key] for key in extra_body if key != "stream_options"}
                request["extra_body"] = others
            return Attempt(request, ResponseTranslator(declared_tools, used_ids), body["messages"])

        def remember(_: Client) -> None:
            self._refuses_usage = self._refuses_usage or leaves_out_usage

        return SDKStream(
            ChatCompletionsAPI(),
            Attempts(build, new_file_names(call.messages)),
            get_client=self._clients.get,
            on_open=remember,
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
        self._build(call)

    def _build(self, call: ModelCall, reduction: Reduction = NO_REDUCTION) -> dict[str, Any]:
        return build_request(
            call, model=self.name, system_role=self.options.system_role, reduction=reduction
        )

    def _parameters(self, call: ModelCall) -> dict[str, Any]:
        """Return the arguments of `completions.create` that do not depend on the messages.

        Options go into `extra_body`, so that they do not depend on which arguments the installed
        SDK has.
        """
        options = self.options
        if call.output is not None:
            options = replace(options, output_format=call.output)
        extra_body = options.body()
        if call.max_tokens is not None:
            is_openai = self.provider in (OPENAI, AZURE)
            name = "max_completion_tokens" if is_openai else "max_tokens"
            extra_body[options.max_tokens_name or name] = call.max_tokens
        if options.parallel_tool_calls is not None and call.tools:  # refused without tools
            extra_body["parallel_tool_calls"] = options.parallel_tool_calls
        return {
            # Compressed bytes would arrive late, and many at a time.
            "extra_headers": {"accept-encoding": "identity", **options.extra_headers},
            "extra_body": {**extra_body, **options.extra_body},
        }

    async def aclose(self) -> None:
        """Close what this model opened in the running event loop."""
        await self._clients.aclose()
