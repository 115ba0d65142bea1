"""A client's hold on the log of a run, in whichever process the run is."""

from __future__ import annotations

from collections.abc import Callable

from usechat_server.run_log.log import Log

__all__ = ["LogSubscription"]


class LogSubscription:
    """Holds a log for one reader: of a run here, or a copy of one that is written elsewhere."""

    def __init__(
        self,
        run_id: str,
        log: Log,
        on_close: Callable[[], None],
        *,
        interrupt: Callable[[], None] | None = None,
    ) -> None:
        """Hold a log; the caller has counted the reader.

        Args:
            run_id: Id of the run.
            log: Its log.
            on_close: Called once, when the reader leaves.
            interrupt: Ends the run; None: it goes on elsewhere, or has ended.
        """
        self.run_id = run_id
        self.log = log
        self._on_close: Callable[[], None] | None = on_close
        self._interrupt = interrupt

    def interrupt(self) -> None:
        """End the run if it is one of this process, which shuts down."""
        if self._interrupt is not None:
            self._interrupt()

    def close(self) -> None:
        """Give the hold up. Idempotent; never waits."""
        on_close, self._on_close = self._on_close, None
        if on_close is not None:
            on_close()
