"""What all runs of an app have in common."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from usechat_server.runs.checkpoints import CHECKPOINT_SECONDS
from usechat_server.runs.hooks import Hooks
from usechat_server.runs.limits import RunLimits
from usechat_server.store.base import ChatStore

__all__ = ["RunConfig"]


@dataclass(frozen=True, slots=True)
class RunConfig:
    """What all runs of an app have in common."""

    #: seconds that a run goes on without a reader
    idle_timeout: float = 0.0
    store: ChatStore | None = None
    hooks: Hooks = field(default_factory=Hooks)
    limits: RunLimits = field(default_factory=RunLimits)
    #: like `idle_timeout`, for a chat whose client never asks for its run again; None: the same
    hang_up_timeout: float | None = None
    #: seconds between two checkpoints of a message that grows
    checkpoint_seconds: float = CHECKPOINT_SECONDS
    #: whether spans have the messages, and the inputs and outputs of tools
    has_trace_content: bool = False

    def without_resumption(self) -> Self:
        """Return the configuration of a run that ends with its last reader."""
        return replace(self, idle_timeout=0.0, hang_up_timeout=None)
