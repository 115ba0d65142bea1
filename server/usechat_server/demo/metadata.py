"""What the bundled page is told of an answer beside its parts."""

from __future__ import annotations

from typing import Any

from usechat_server.results import RunResult, usage_metadata

__all__ = ["page_metadata"]


def page_metadata(answer: RunResult) -> dict[str, Any]:
    """The tokens, how it ended, and when what came from the model."""
    return {
        **(usage_metadata(answer) or {}),
        "outcome": answer.outcome,
        "seconds": dict(answer.seconds),
    }
