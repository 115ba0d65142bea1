"""Runs: one answer to one POST each, and the registry of those that are live."""

from usechat_server.runs.registry import Runs
from usechat_server.runs.retry import Retry
from usechat_server.runs.run import Run

__all__ = ["Retry", "Run", "Runs"]
