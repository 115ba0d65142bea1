"""When to retry a failed model call."""

from __future__ import annotations

import random
from dataclasses import dataclass

from usechat_server.errors import ModelError

__all__ = ["RetryPolicy"]


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Exponential backoff with jitter, so that many runs do not retry at the same moment."""

    #: model calls of one step, including the first
    attempts: int = 3
    #: seconds: the first wait is at most `first_wait`, each further one at most twice as long
    first_wait: float = 1.0
    #: seconds that no wait exceeds, unless the provider asks for more
    longest_wait: float = 8.0
    #: seconds since the start of the step after which no call is retried; waits that the provider
    #: asks for count too
    within: float = 60.0

    def delay(self, error: ModelError, attempt: int, elapsed: float) -> float | None:
        """Return the seconds to wait before the next call; None if there is no further one.

        Args:
            error: Why the last call failed.
            attempt: Number of calls so far.
            elapsed: Seconds since the start of the step.
        """
        if not error.retryable or attempt >= self.attempts:
            return None
        longest = min(self.first_wait * 2 ** (attempt - 1), self.longest_wait)
        seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311
        if error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        return seconds if elapsed + seconds <= self.within else None
