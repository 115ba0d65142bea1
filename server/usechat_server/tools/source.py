"""Where tools come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from usechat_server.tools.base import ClientTool, ProviderTool
from usechat_server.tools.function_tool import FunctionTool

if TYPE_CHECKING:
    from usechat_server.turn import Turn

__all__ = ["Tool", "ToolSource"]

Tool = ClientTool | ProviderTool | FunctionTool


@runtime_checkable
class ToolSource(Protocol):
    """Tools that are not known before they are asked for, such as an MCP server's."""

    @property
    def asks(self) -> bool:
        """Whether a person may have to approve a call of any of them."""
        ...

    async def tools(self, turn: Turn) -> Sequence[Tool]:
        """The tools there are now. Asked before every model call; never raises: what cannot be
        reached has none."""
        ...

    async def aclose(self) -> None:
        """Closes what was opened in the running event loop. The source can be used again."""
        ...
