"""Who sends a request: the app's `user=`, its time limit, what it may return, and its refusals."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from unicodedata import category

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.types import Scope

from usechat_server.aio import call_hook
from usechat_server.errors import ChatError, Forbidden, NotSignedIn, ServiceUnavailable
from usechat_server.http.audit import audit
from usechat_server.http.security import describe_request

__all__ = ["UserHook", "refusal", "sign_in"]

logger: logging.Logger = logging.getLogger("usechat.app")

#: Returns the app's own id of the user who sends a request; None or "": not signed in. It has the
#: headers; the body has not been read. A sync function runs in a thread.
UserHook = Callable[[Request], Awaitable[str | None] | str | None]

#: Longest id of a user, in characters: databases index it. OpenID Connect allows as many.
_MAX_USER_LENGTH = 255


async def sign_in(hook: UserHook, scope: Scope, *, seconds: float) -> str | None:
    """Return the id that `user=` returns for a request, or None.

    Args:
        hook: The app's function.
        scope: The request.
        seconds: The time that it may take.

    Raises:
        ChatError: It refused the request, took too long, or returned what is no id.
        HTTPException: It raised it to refuse the request.
        TypeError: It returned something else than a str or None.
    """
    limit = asyncio.timeout(seconds)
    try:
        async with limit:
            # Before the body is read: a client that is refused shall not upload it.
            user = await call_hook(hook, Request(scope))
    except PermissionError as error:
        if error.errno is not None:
            raise  # from the operating system, not a refusal
        _audit(scope, error, 403)
        raise Forbidden from None
    except ChatError as error:
        _audit(scope, error, error.status)
        raise
    except HTTPException as error:
        _audit(scope, error, error.status_code)
        raise
    except TimeoutError:
        if not limit.expired():
            raise
        logger.warning("user= took longer than %g seconds: %s", seconds, describe_request(scope))
        raise ServiceUnavailable("Signing in took too long. Please try again.") from None
    if user is None:
        return None
    if not isinstance(user, str):
        raise TypeError(f"user= returned {type(user).__name__}: expected a str or None")
    if not user:  # never the absence of a user: all who send no id would share it
        raise refusal(scope)
    if len(user) > _MAX_USER_LENGTH or any(category(one) in ("Cc", "Cs") for one in user):
        logger.warning(
            "user= returned %.80r: expected at most %d characters and no control characters",
            user,
            _MAX_USER_LENGTH,
        )
        raise refusal(scope)
    return user


def refusal(scope: Scope) -> NotSignedIn:
    """Return the refusal of a request without a user, and log it."""
    error = NotSignedIn()
    _audit(scope, error, error.status)
    return error


def _audit(scope: Scope, error: Exception, status: int) -> None:
    audit("sign-in refused", scope, reason=repr(error)[:200], status=status)
