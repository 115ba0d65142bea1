"""The provider's model list: a model's token limit, and what the model does not support.

Source: `types/model_info.py` and `types/model_capabilities.py` of the `anthropic` SDK.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from anthropic import APIStatusError

from usechat_server.providers.anthropic.client import Client
from usechat_server.providers.anthropic.options import AnthropicOptions
from usechat_server.tools import ProviderTool, Tool

__all__ = ["ModelInfo", "required_capabilities", "unsupported_features"]

_log = logging.getLogger("usechat.anthropic")

#: Seconds for the request to the model list. No response waits for it.
_LIST_TIMEOUT = 30.0


class ModelInfo:
    """One model's entry in the model list, fetched once in the background."""

    def __init__(self, model: str) -> None:
        self._model = model
        #: the most tokens that a response may have; None while unknown
        self.max_tokens: int | None = None
        self._task: asyncio.Task[None] | None = None
        self._is_requested = False

    def fetch(self, client: Client, on_entry: Callable[[Mapping[str, Any]], None]) -> None:
        """Fetch the entry in the background, unless that was done, and pass it to `on_entry`."""
        if not self._is_requested:
            self._is_requested = True
            self._task = asyncio.create_task(self._fetch(client, on_entry))

    async def aclose(self) -> None:
        """Cancel the fetch, if it runs in the running event loop."""
        task = self._task
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.wait([task])
            self._is_requested = self.max_tokens is not None

    async def _fetch(self, client: Client, on_entry: Callable[[Mapping[str, Any]], None]) -> None:
        models: Any = getattr(client, "models", None)
        if models is None:
            return
        try:
            # Raw: building the SDK's model of the entry takes longer than the request.
            response = await models.with_raw_response.retrieve(self._model, timeout=_LIST_TIMEOUT)
            entry = response.http_response.json()
            limit = entry.get("max_tokens")
            self.max_tokens = limit if isinstance(limit, int) and limit > 0 else None
            on_entry(entry)
        except APIStatusError as error:
            # Not every platform has the list. Then the documented constant has to do.
            _log.info("no token limit for %s: %s", self._model, error)
        except Exception as error:
            self._is_requested = False
            _log.info("no token limit for %s yet: %r", self._model, error)


def unsupported_features(
    options: AnthropicOptions, tools: Sequence[Tool], entry: Mapping[str, Any]
) -> list[str]:
    """Return the options and tools that the model list says the model does not support.

    What the entry does not mention may well work.
    """
    capabilities = entry.get("capabilities") or {}
    return [
        feature
        for feature, path in required_capabilities(options, tools)
        if _is_unsupported(capabilities, path)
    ]


def required_capabilities(
    options: AnthropicOptions, tools: Sequence[Tool]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield each feature in use, with the path of its capability in an entry of the list."""
    if options.thinking:
        kind = options.thinking["type"]
        yield f"thinking {kind}", ("thinking", "types", kind)
    if options.effort:
        yield f"effort {options.effort}", ("effort", options.effort)
    if options.output_format is not None:
        yield "output_format", ("structured_outputs",)
    if options.citations:
        yield "citations", ("citations",)
    for edit in options.context_management["edits"] if options.context_management else ():
        yield f"context_management {edit['type']}", ("context_management", edit["type"])
    for tool in tools:
        if isinstance(tool, ProviderTool):
            yield tool.name, ("server_tools", tool.name)


def _is_unsupported(capabilities: Any, path: Sequence[str]) -> bool:
    for name in path:
        if not isinstance(capabilities, dict) or name not in capabilities:
            return False
        capabilities = capabilities[name]
    return isinstance(capabilities, dict) and capabilities.get("supported") is False
