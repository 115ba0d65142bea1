"""What many tests share."""

from __future__ import annotations

from typing import Any, TypeAlias

from starlette.requests import Request

__all__ = ["DEADLINE", "JSON", "user_from_header"]

#: Seconds after which a test that waits for something fails.
DEADLINE = 30.0

#: A JSON object.
JSON: TypeAlias = dict[str, Any]


async def user_from_header(request: Request) -> str | None:
    """Return the user of a request from its `x-user` header: an app's `user=`."""
    return request.headers.get("x-user")
