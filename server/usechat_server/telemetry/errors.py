"""What went wrong, by one of few names."""

from __future__ import annotations

from usechat_server.errors import ModelError

__all__ = ["error_type"]


def error_type(error: BaseException | None) -> str:
    """Return the kind of a failed model call, else the name of the exception. Empty if there is
    none, or for a cancellation: a client stopped the run, or it timed out."""
    if not isinstance(error, Exception):
        return ""
    return error.kind if isinstance(error, ModelError) else type(error).__qualname__
