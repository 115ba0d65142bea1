"""The message metadata that the bundled page shows."""

from __future__ import annotations

from typing import Any

from usechat_server.message_metadata import timing_metadata, usage_metadata
from usechat_server.results import RunResult

__all__ = ["page_metadata"]


def page_metadata(result: RunResult) -> dict[str, Any]:
    """Return the tokens, how the run ended, and the seconds until its milestones."""
    return {
        **(usage_metadata(result) or {}),
        "outcome": result.outcome,
        **timing_metadata(result),
    }
