"""Runs: one response to one POST each, and the registry of those in progress."""

from usechat_server.runs.config import RunConfig
from usechat_server.runs.hooks import ChatCreatedHook, FinishHook, Hooks, MessageHook
from usechat_server.runs.limits import RunLimits
from usechat_server.runs.registry import Runs

__all__ = [
    "ChatCreatedHook",
    "FinishHook",
    "Hooks",
    "MessageHook",
    "RunConfig",
    "RunLimits",
    "Runs",
]
