"""One POST to the chat, checked: what a model and the application's hooks get."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import Floor

__all__ = ["Turn"]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be answered. It holds no connection, so it can be handed to another process."""

    #: who is asking, as the app's `user=` said; None without it
    user: str | None
    chat_id: str
    #: the oldest client release that must be able to read the answer
    floor: Floor
    #: the history, oldest first; it ends with the message to answer or to continue
    messages: list[UIMessage]
    #: id of the assistant message that is written: the continued one's, else a new one
    message_id: str
    #: `submit-message`, `regenerate-message` or what else the client sent
    trigger: str = "submit-message"
    #: the body's other keys, as the frontend's `body` option sent them
    body: dict[str, Any] = field(default_factory=dict)
    #: which state of the stored chat the history is of; 0: the chat is not stored yet
    revision: int = 0

    @property
    def continued(self) -> UIMessage | None:
        """The assistant message that is continued (tool outputs, approvals), or None."""
        last = self.messages[-1]
        # An assistant message is also last when the one after it is regenerated.
        return last if last.role == "assistant" and last.id == self.message_id else None
