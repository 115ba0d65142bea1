"""OpenAI's Chat Completions API, and the servers that speak it."""

from usechat_server.providers.openai_chat.model import OpenAIChat
from usechat_server.providers.openai_chat.options import OpenAIChatOptions

__all__ = ["OpenAIChat", "OpenAIChatOptions"]
