"""Servers that do without one of the things that keep promises: a fault test has to notice.

`make faults WITHOUT=fencing` fails within 100 turns, and so for each of `MUTATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from usechat_server.coordination.ownership import Renewal, TakenOverTurn
from usechat_server.coordination.redis import scripts
from usechat_server.runs.persistence import Persistence
from usechat_server.runs.registry import Runs
from usechat_server.store import writes
from usechat_server.store.ownership import SqlOwnership

__all__ = ["MUTATIONS", "apply"]


def _fencing() -> None:
    """Accept what a process writes that does not own the run any more."""
    for name, script in list(vars(scripts).items()):
        if isinstance(script, str):
            _replace(scripts, name, script.replace("return 'fenced'", "return nil"))
    lock_turns = writes.lock_turns

    def lock(*arguments: Any) -> dict[str, writes.LockedTurn]:
        locked = lock_turns(*arguments)
        return {run_id: turn._replace(epoch=_AnyEpoch()) for run_id, turn in locked.items()}

    _replace(writes, "lock_turns", lock)
    renew = SqlOwnership.renew

    async def renew_all(*arguments: Any) -> Renewal:
        return replace(await renew(*arguments), owned=_Everything())

    _replace(SqlOwnership, "renew", renew_all)


class _AnyEpoch(int):
    """As high as any other, whatever it is compared with."""

    def __eq__(self, other: object) -> bool:
        return True

    def __ne__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 0


class _Everything(frozenset[tuple[str, int]]):
    def __contains__(self, run: object) -> bool:
        return True


def _checkpoint() -> None:
    """Store a message at its end only."""

    _replace(Persistence, "progress", lambda *_: None)


def _takeover() -> None:
    """Leave the runs of a process that is gone alone."""
    _replace(Runs, "_start_takeover", lambda *_: None)


def _tool_ledger() -> None:
    """Believe that no tool call of a run that is taken over has begun."""
    take_over = SqlOwnership.take_over

    async def forget_calls(*arguments: Any) -> TakenOverTurn | None:
        taken = await take_over(*arguments)
        return None if taken is None else replace(taken, begun_calls=frozenset())

    _replace(SqlOwnership, "take_over", forget_calls)


MUTATIONS: dict[str, Callable[[], None]] = {
    "fencing": _fencing,
    "checkpoint": _checkpoint,
    "takeover": _takeover,
    "tool-ledger": _tool_ledger,
}


def apply(name: str) -> None:
    """Change the server in this process."""
    MUTATIONS[name]()


def _replace(owner: Any, name: str, value: Any) -> None:
    assert hasattr(owner, name)
    setattr(owner, name, value)
