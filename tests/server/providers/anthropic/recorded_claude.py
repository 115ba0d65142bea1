"""The conversation of a recording with Claude."""

from __future__ import annotations

import httpx2
from anthropic import AsyncAnthropic, DefaultAsyncHttpxClient
from ui_message_stream.versions import ClientVersion
from usechat_server.providers.anthropic import AnthropicModel

from tests.server.providers.anthropic.recordings import Recording
from tests.server.providers.recorded_conversation import RecordedConversation

__all__ = ["recorded_claude"]


def recorded_claude(recording: Recording, client_version: ClientVersion) -> RecordedConversation:
    """Return a conversation with Claude that replays a recording."""
    return RecordedConversation(recording, client_version, "/messages", _model)


def _model(transport: httpx2.AsyncBaseTransport) -> AnthropicModel:
    http_client = DefaultAsyncHttpxClient(transport=transport)
    client = AsyncAnthropic(api_key="none", max_retries=0, http_client=http_client)
    return AnthropicModel("claude-sonnet-5-5", client=client)
