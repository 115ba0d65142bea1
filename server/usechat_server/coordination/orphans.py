"""Runs whose process is gone, as a coordinator passes them on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from usechat_server.coordination.lease import Lease
from usechat_server.coordination.ownership import RunEnd
from usechat_server.run_log.log import Log
from usechat_server.turn import Turn

__all__ = ["FindEnd", "FormerLog", "OrphanedRun", "TakeOver"]


@dataclass(frozen=True, slots=True)
class FormerLog:
    """A log that a former process of a run has published."""

    #: what `Turn.to_json` returned; a former release put the history into it
    turn: bytes
    log_id: str
    log: Log
    #: whether its last chunk is `finish` or `abort`
    has_good_end: bool
    #: whether its last chunk is `error`
    has_failed: bool
    #: whether a client has asked to stop the run
    is_stop_requested: bool


@dataclass(frozen=True, slots=True)
class OrphanedRun:
    """A run whose process is gone, as its last owner left it."""

    turn: Turn
    log: Log
    #: a new lease, which has not begun
    lease: Lease
    #: whether the model may continue it; otherwise it only needs a legal end
    can_continue: bool
    #: how it has ended according to the store; its log has no end yet
    end: RunEnd | None = None


#: Takes a run over: called by a coordinator that finds an orphaned one.
TakeOver = Callable[[OrphanedRun], Awaitable[None]]
#: Returns how a run ended, by its id; None: it goes on.
FindEnd = Callable[[str], Awaitable[RunEnd | None]]
