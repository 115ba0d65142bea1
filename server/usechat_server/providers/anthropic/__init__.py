"""Claude over the `anthropic` SDK: its client, not its streams."""

from usechat_server.providers.anthropic.model import DEFAULT_MAX_TOKENS, AnthropicModel
from usechat_server.providers.anthropic.options import AnthropicOptions

__all__ = ["DEFAULT_MAX_TOKENS", "AnthropicModel", "AnthropicOptions"]
