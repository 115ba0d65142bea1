"""OpenAI, and every server with its API: the models and their options.

It requires the package `openai`: `pip install 'usechat-server[openai]'`.
"""

from usechat_server.providers.openai_chat import OpenAIChat, OpenAIChatOptions

__all__ = ["OpenAIChat", "OpenAIChatOptions"]
