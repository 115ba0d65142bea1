"""The client version of each request: as it names it, as the app sets it, or as its signs tell."""

from __future__ import annotations

import warnings

from starlette.datastructures import Headers, QueryParams
from starlette.types import Scope
from ui_message_stream.versions import OLDEST_CLIENT_VERSION, ClientVersion, missing

from usechat_server.client_version import user_agent_client_version, with_approvals
from usechat_server.errors import InvalidRequest, UsechatDeprecationWarning

__all__ = ["CLIENT_HEADER", "ClientVersions"]

CLIENT_HEADER = "x-usechat-client"
#: Of clients built for a release before 0.1.
_OLD_CLIENT_HEADER = "x-usechat-floor"


class ClientVersions:
    """Decides the client version of an app's requests.

    Args:
        setting: The app's `client_version` setting; None: it has none.
        required: Chunk types that every client of the app must support.

    Raises:
        ValueError: The setting's release does not support them.
    """

    def __init__(
        self, setting: ClientVersion | None, required: frozenset[str] = frozenset()
    ) -> None:
        if setting and (unsupported := sorted(missing(required, setting))):
            raise ValueError(
                f"USECHAT_CLIENT_VERSION: ai {setting} does not support what this agent needs: "
                f"{', '.join(unsupported)}. Set a later release, or switch the feature off."
            )
        self._setting = setting
        self._required = required

    def of(self, scope: Scope, history: ClientVersion | None = None) -> ClientVersion:
        """Return the client version of a request.

        It is declared by the `x-usechat-client` header (`ai/7.0.173`), by the query parameter
        `client` where a client cannot set headers, or by the app's setting. Else it is that of the
        `user-agent`, which some releases set, or that of the history, or the oldest one: then what
        the app needs is sent all the same, and so are approval requests.

        Args:
            scope: The request's ASGI scope.
            history: The client version that the history in the body tells.

        Raises:
            InvalidRequest: The request names no release of this protocol, or its release does not
                support what the app needs.
        """
        named = _named_client_version(scope)
        if unsupported := sorted(missing(self._required, named)) if named else ():
            raise InvalidRequest(
                f"{CLIENT_HEADER}: ai {named} does not support {', '.join(unsupported)}"
            )
        if declared := named or self._setting:
            return declared
        evident = (
            user_agent_client_version(Headers(scope=scope).get("user-agent", ""))
            or history
            or OLDEST_CLIENT_VERSION
        )
        # Signs are no promise: a feature that was switched on takes precedence.
        return with_approvals(evident.with_chunk_types(*missing(self._required, evident)))

    def supporting(self, client_version: ClientVersion) -> ClientVersion:
        """Return a client version that gets what the app needs as well."""
        return client_version.with_chunk_types(*missing(self._required, client_version))


def _named_client_version(scope: Scope) -> ClientVersion | None:
    headers = Headers(scope=scope)
    for source, text in (
        (CLIENT_HEADER, headers.get(CLIENT_HEADER)),
        (_OLD_CLIENT_HEADER, headers.get(_OLD_CLIENT_HEADER)),
        ("client", QueryParams(scope["query_string"]).get("client")),
    ):
        if text is not None:
            if source == _OLD_CLIENT_HEADER:
                warnings.warn(
                    f"the header {_OLD_CLIENT_HEADER} is deprecated: send {CLIENT_HEADER}",
                    UsechatDeprecationWarning,
                    stacklevel=1,
                )
            try:
                return ClientVersion.parse(text.strip())
            except ValueError as error:
                raise InvalidRequest(f"{source}: {error}") from None
    return None
