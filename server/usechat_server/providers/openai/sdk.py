"""Import the `openai` SDK, which is an extra."""

from __future__ import annotations

try:
    import openai
except ImportError:
    raise ImportError(
        "models of OpenAI require the openai package: pip install 'usechat-server[openai]'"
    ) from None

__all__ = ["openai"]
