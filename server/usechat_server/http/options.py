"""Checks what an app is created with, so that a mistake shows before the first request."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from functools import partial
from typing import Any, get_args

from pydantic import BaseModel
from typing_extensions import get_protocol_members

from usechat_server.agent import Agent
from usechat_server.http.errors import ErrorFormat
from usechat_server.runs import Hooks
from usechat_server.settings import Settings
from usechat_server.store.base import ChatStore

__all__ = [
    "check_agent_or_handler",
    "check_body_model",
    "check_errors",
    "check_headers",
    "check_hooks",
    "check_prefix",
    "check_settings",
    "check_store",
    "check_user",
]

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"(?! )[\t\x20-\x7e\x80-\xff]*(?<! )")


def check_agent_or_handler(caller: str, agent: object, handler: object) -> None:
    """Check that there is an agent or a handler, and that it is one.

    Raises:
        TypeError: There is neither or both, or one of the wrong type.
    """
    if (agent is None) == (handler is None):
        got = "neither" if agent is None else "both"
        raise TypeError(f"{caller}() requires either an agent or a handler=, got {got}")
    if agent is not None and not isinstance(agent, Agent) and not _is_function(agent):
        raise TypeError(f"agent: expected an Agent or a function of the turn, got {_name(agent)}")
    if handler is not None and (not _is_function(handler) or _is_sync(handler)):
        raise TypeError(f"handler: expected an async function, got {_name(handler)}")


def check_body_model(body: object) -> None:
    """Check `body=`.

    Raises:
        TypeError: It is no pydantic model.
    """
    if body is not None and not (isinstance(body, type) and issubclass(body, BaseModel)):
        raise TypeError(f"body: expected a pydantic model, got {getattr(body, '__name__', body)}")


def check_errors(errors: object) -> None:
    """Check `errors=`.

    Raises:
        ValueError: It is no known format.
    """
    if errors not in get_args(ErrorFormat):
        raise ValueError(f"errors: expected 'text' or 'json', got {errors!r}")


def check_headers(headers: object) -> None:
    """Check `headers=`.

    Raises:
        TypeError: It is no mapping of strings.
        ValueError: A header cannot be sent.
    """
    if headers is None:
        return
    if not isinstance(headers, Mapping):
        raise TypeError(f"headers: expected a mapping, got {_name(headers)}")
    for name, value in headers.items():
        if not isinstance(name, str) or not isinstance(value, str):
            raise TypeError(f"headers: expected strings, got {name!r}: {value!r}")
        if not _HEADER_NAME.fullmatch(name):
            raise ValueError(f"headers: expected the name of a header, got {name!r}")
        if not _HEADER_VALUE.fullmatch(value):
            raise ValueError(f"headers: expected printable Latin-1, got {name!r}: {value!r}")


def check_hooks(hooks: Hooks, *, has_store: bool) -> None:
    """Check `on_message=`, `on_finish=` and `on_chat_created=`.

    Raises:
        TypeError: One of them is no function.
        ValueError: `on_chat_created=` would never be called.
    """
    for name in ("on_message", "on_finish", "on_chat_created"):
        hook = getattr(hooks, name)
        if hook is not None and not _is_function(hook):
            raise TypeError(f"{name}: expected a function, got {_name(hook)}")
    if hooks.on_chat_created is not None and not has_store:
        raise ValueError("on_chat_created requires a store")


def check_prefix(prefix: object) -> None:
    """Check `prefix=`.

    Raises:
        TypeError: It is no string.
        ValueError: It is no path.
    """
    if not isinstance(prefix, str):
        raise TypeError(f"prefix: expected a path such as '/api', got {_name(prefix)}")
    if prefix and (not prefix.startswith("/") or prefix.endswith("/") or "{" in prefix):
        raise ValueError(f"prefix: expected a path such as '/api', got {prefix!r}")


def check_settings(settings: object) -> None:
    """Check `settings=`.

    Raises:
        TypeError: They are no Settings.
    """
    if settings is not None and not isinstance(settings, Settings):
        raise TypeError(f"settings: expected Settings, got {_name(settings)}")


def check_store(store: object) -> None:
    """Check `store=`.

    Raises:
        TypeError: It is neither a URL nor a store.
    """
    if store is None or isinstance(store, str):
        return
    missing = [name for name in sorted(get_protocol_members(ChatStore)) if not hasattr(store, name)]
    if isinstance(store, type) or missing:
        detail = "" if isinstance(store, type) else f" without {', '.join(missing)}"
        raise TypeError(f"store: expected a URL or a ChatStore, got {_name(store)}{detail}")


def check_user(user: object, *, anonymous: bool) -> None:
    """Check `user=` and `anonymous=`.

    Raises:
        TypeError: `user` is no function.
        ValueError: `anonymous` is set without `user`.
    """
    if user is not None and not _is_function(user):
        raise TypeError(f"user: expected a function of the request, got {_name(user)}")
    if anonymous and user is None:
        raise ValueError("anonymous requires user")


def _is_function(value: object) -> bool:
    return callable(value) and not isinstance(value, type | Agent)


def _is_sync(function: Any) -> bool:
    """Whether a function is known to return no awaitable."""
    function = inspect.unwrap(function)
    while isinstance(function, partial):
        function = inspect.unwrap(function.func)
    # An object may return an awaitable from a plain `__call__`.
    is_plain = inspect.isfunction(function) or inspect.ismethod(function)
    return is_plain and not inspect.iscoroutinefunction(function)


def _name(value: object) -> str:
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if inspect.isroutine(value):
        return f"the function {value.__name__}"
    return type(value).__name__
