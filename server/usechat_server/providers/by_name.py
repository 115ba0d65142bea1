"""The models that an agent takes by name, such as `"anthropic:claude-sonnet-5-5"`."""

from __future__ import annotations

from typing import Any

from usechat_server.providers.base import Model

__all__ = ["load_model", "provider_of"]

_DEMO = "demo"
_PREFIXES = ("anthropic", "openai-chat")


def provider_of(name: str) -> str:
    """Return the provider of a model's name.

    Raises:
        ValueError: There is no such provider.
    """
    return _split(name)[0]


def load_model(name: str, client: Any = None, options: Any = None) -> Model:
    """Return the model with a name.

    Args:
        name: The provider and the model's id.
        client: A ready client of the provider's SDK; None: one is created.
        options: The provider's parameters; None: the defaults.

    Raises:
        ImportError: The provider's SDK is not installed; the text says how to install it.
        ValueError: There is no such provider, or the options are another provider's.
    """
    provider, model_id = _split(name)
    # Imported on use: an app with a model of its own needs no provider's SDK.
    if provider == "anthropic":
        from usechat_server.providers.anthropic import AnthropicModel, AnthropicOptions

        _check_options(name, options, AnthropicOptions)
        return AnthropicModel(model_id, options, client=client)
    if provider == "openai-chat":
        from usechat_server.providers.openai_chat import OpenAIChat, OpenAIChatOptions

        _check_options(name, options, OpenAIChatOptions)
        return OpenAIChat(model_id, options, client=client)
    if client is not None or options is not None:
        raise ValueError("client and options: the demo model has none")
    from usechat_server.providers.demo import DemoModel

    return DemoModel()


def _split(name: str) -> tuple[str, str]:
    """Return the provider and the model's id."""
    if name == _DEMO:
        return _DEMO, ""
    if name.startswith("claude-"):
        return "anthropic", name
    provider, _, model_id = name.partition(":")
    if provider not in _PREFIXES or not model_id:
        expected = ", ".join(f"'{prefix}:…'" for prefix in _PREFIXES)
        raise ValueError(f"model: expected {expected}, 'claude-…', 'demo' or a Model, got {name!r}")
    return provider, model_id


def _check_options(name: str, options: object, expected: type) -> None:
    if options is not None and not isinstance(options, expected):
        got = type(options).__name__
        raise ValueError(f"options: expected {expected.__name__} for {name!r}, got {got}")
