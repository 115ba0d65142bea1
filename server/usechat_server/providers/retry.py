"""When a model call that failed is tried again."""

from __future__ import annotations

import random
from dataclasses import dataclass

from usechat_server.errors import ModelError

__all__ = ["Retry"]


@dataclass(frozen=True, slots=True)
class Retry:
    """Waits longer each time, at random, so that many runs do not come back together."""

    #: model calls of one step, the first one included
    attempts: int = 3
    #: seconds: the first wait is at most `first`, each further one at most twice the one before
    first: float = 1.0
    longest: float = 8.0
    #: seconds from the start of the step after which no call is begun; what the provider asked to
    #: wait counts too
    within: float = 60.0

    def wait(self, error: ModelError, attempt: int, elapsed: float) -> float | None:
        """Seconds until the next call, after the `attempt`-th failed; None: there is none."""
        if not error.retryable or attempt >= self.attempts:
            return None
        longest = min(self.first * 2 ** (attempt - 1), self.longest)
        seconds = longest * random.uniform(0.5, 1.0)  # noqa: S311
        if error.retry_after is not None:
            seconds = max(seconds, error.retry_after)
        return seconds if elapsed + seconds <= self.within else None
