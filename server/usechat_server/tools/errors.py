"""What a tool call can fail with. Any other exception is the app's own business: nobody is told."""

from __future__ import annotations

__all__ = ["InvalidInput", "ToolError"]


class ToolError(Exception):
    """The tool could not do it. The page and the model are shown the text."""


class InvalidInput(ToolError):
    """The input is not what the tool takes. The text is for the model, which may try again."""
