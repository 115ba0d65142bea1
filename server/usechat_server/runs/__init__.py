"""Runs: one response to one POST each, and the registry of those in progress."""

from usechat_server.providers.retry import RetryPolicy
from usechat_server.runs.hooks import ChatCreatedHook, FinishHook, Hooks, MessageHook
from usechat_server.runs.registry import OnBusy, Runs
from usechat_server.runs.run import Run, RunConfig

__all__ = [
    "ChatCreatedHook",
    "FinishHook",
    "Hooks",
    "MessageHook",
    "OnBusy",
    "RetryPolicy",
    "Run",
    "RunConfig",
    "Runs",
]
