"""Message metadata that an app's functions return."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ui_message_stream import json_codec

__all__ = ["hook_metadata"]

logger: logging.Logger = logging.getLogger("usechat.run")

_T = TypeVar("_T")


def hook_metadata(
    option: str, hook: Callable[[_T], Mapping[str, Any] | None] | None, argument: _T
) -> dict[str, Any] | None:
    """Return the metadata of an agent's function; None if it fails, which is logged.

    Args:
        option: The option that the function was given as.
        hook: The function; None: there is none.
        argument: What it is called with.
    """
    if hook is None:
        return None
    try:
        value = hook(argument)
        metadata = None if value is None else dict(value)
        json_codec.encode(metadata)
    except Exception:
        logger.exception("%s= failed: the message gets none", option)
        return None
    return metadata
