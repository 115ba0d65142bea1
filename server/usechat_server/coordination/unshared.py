"""The lease of a run that belongs to no chat."""

from __future__ import annotations

from usechat_server.coordination.lease import LeasedRun
from usechat_server.results import Outcome

__all__ = ["UnsharedLease"]


class UnsharedLease:
    """Owns nothing that another process could claim. See `Lease`."""

    epoch = 0
    is_valid = True
    request_digest = ""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.log_id = run_id

    async def begin(self, run: LeasedRun) -> None:
        pass

    async def wait_until_durable(self) -> bool:
        return True

    async def release(self) -> None:
        pass

    def drop(self) -> None:
        pass

    async def end(self, outcome: Outcome) -> None:
        pass
