"""Limits of the runs of a process, and of each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from usechat_server.errors import TooManyRequests
from usechat_server.loop.run_writer import MAX_RESPONSE_BYTES

__all__ = ["RunLimits"]

_USER_LIMIT = (
    "You have too many responses at the same time. Please wait for one to end, or stop one."
)
_PROCESS_LIMIT = "The server is responding to too many chats right now. Please try again."


@dataclass(frozen=True, slots=True)
class RunLimits:
    """How many runs there may be at the same time, and how large a response may be.

    Attributes:
        max_runs: The runs of a process.
        max_runs_per_user: The runs of a user in a process. Runs without a user have no such limit:
            nothing says whose they are.
        max_response_bytes: The size of a response after which its run is ended.
    """

    max_runs: int = 1000
    max_runs_per_user: int = 20
    max_response_bytes: int = MAX_RESPONSE_BYTES

    def check(self, user: str | None, users: Sequence[str | None]) -> None:
        """Check whether a user may start another run.

        Args:
            user: The user.
            users: The users of the runs that have not ended.

        Raises:
            TooManyRequests: There are too many.
        """
        if user is not None and users.count(user) >= self.max_runs_per_user:
            raise TooManyRequests(_USER_LIMIT)
        if len(users) >= self.max_runs:
            raise TooManyRequests(_PROCESS_LIMIT)
