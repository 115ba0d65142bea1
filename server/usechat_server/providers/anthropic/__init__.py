"""Claude, over the Messages API: the `anthropic` SDK sends the requests, its streams are unused."""

from usechat_server.providers.anthropic.model import DEFAULT_MAX_TOKENS, AnthropicModel
from usechat_server.providers.anthropic.options import AnthropicOptions

__all__ = ["DEFAULT_MAX_TOKENS", "AnthropicModel", "AnthropicOptions"]
