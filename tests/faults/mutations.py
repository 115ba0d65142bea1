"""Servers that do without one of the things that keep promises: a fault test has to notice.

`make faults WITHOUT=fencing` fails within 100 turns, and so for each of `MUTATIONS`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from usechat_server.coordination.redis import scripts
from usechat_server.coordination.redis.heartbeat import Heartbeat
from usechat_server.runs.persistence import Persistence
from usechat_server.store import writes

__all__ = ["MUTATIONS", "apply"]


def _fencing() -> None:
    """Accept what a process writes that does not own the run any more."""
    for name, script in list(vars(scripts).items()):
        if isinstance(script, str):
            _replace(scripts, name, script.replace("return 'fenced'", "return nil"))
    lock_turn = writes.lock_turn

    async def lock(*arguments: Any) -> Any:
        turn = await lock_turn(*arguments)
        return None if turn is None else turn._replace(outcome=None, epoch=0)

    _replace(writes, "lock_turn", lock)


def _checkpoint() -> None:
    """Store a message at its end only."""

    async def write_nothing(*_: Any) -> None:
        pass

    _replace(Persistence, "_write_checkpoints", write_nothing)


def _takeover() -> None:
    """Leave the runs of a process that is gone alone."""
    _replace(Heartbeat, "_take_over_expired", lambda *_: None)


MUTATIONS: dict[str, Callable[[], None]] = {
    "fencing": _fencing,
    "checkpoint": _checkpoint,
    "takeover": _takeover,
}


def apply(name: str) -> None:
    """Change the server in this process."""
    MUTATIONS[name]()


def _replace(owner: Any, name: str, value: Any) -> None:
    assert hasattr(owner, name)
    setattr(owner, name, value)
