"""One POST to the chat, checked: what a model and the application's hooks get."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pydantic import BaseModel
from ui_message_stream import json_codec
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

__all__ = ["Decision", "RunContext", "Turn"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person said when asked whether a tool call may run. It was checked."""

    approved: bool
    #: in that person's words
    reason: str | None = None


class RunContext:
    """Base class of what a run passes, within its turn, to the agents that a handler streams."""


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be answered. It holds no connection, so it can be handed to another process."""

    #: who is asking, as the app's `user=` said; None without it
    user: str | None
    chat_id: str
    #: the oldest client release that must be able to read the answer
    client_version: ClientVersion
    #: the history, oldest first; it ends with the message to answer or to continue
    messages: list[UIMessage]
    #: id of the assistant message that is written: the continued one's, else a new one
    message_id: str
    #: `submit-message`, `regenerate-message` or what else the client sent
    trigger: str = "submit-message"
    #: the body's other keys, as the frontend's `body` option sent them, or what the app's own model
    #: made of them
    body: Any = field(default_factory=dict)
    #: tool call id → what was decided about that open call of the continued message
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    #: the calls of the continued message whose output the client brought now; None: without a
    #: store nobody can tell, since it brought the whole message
    answered: frozenset[str] | None = None
    #: which state of the stored chat the history is of; 0: the chat is not stored yet
    revision: int = 0
    #: set by the run whose handler has this turn; None outside of one, and in another process
    run_context: RunContext | None = field(default=None, repr=False, compare=False)

    @property
    def continued(self) -> UIMessage | None:
        """The assistant message that is continued (tool outputs, approvals), or None."""
        last = self.messages[-1]
        # An assistant message is also last when the one after it is regenerated.
        return last if last.role == "assistant" and last.id == self.message_id else None

    def to_json(self) -> bytes:
        """The turn as JSON text, for another process."""
        body = self.body
        if isinstance(body, BaseModel):
            body = body.model_dump(mode="json", by_alias=True)
        return json_codec.encode(
            {
                "user": self.user,
                "chatId": self.chat_id,
                "floor": str(self.client_version),
                "besides": sorted(self.client_version.extra_chunk_types),
                "messages": [message.to_object() for message in self.messages],
                "messageId": self.message_id,
                "trigger": self.trigger,
                "body": body,
                "decisions": {name: asdict(one) for name, one in self.decisions.items()},
                "answered": None if self.answered is None else sorted(self.answered),
                "revision": self.revision,
            }
        )

    @classmethod
    def from_json(cls, text: bytes, body: type[BaseModel] | None = None) -> Self:
        """The turn that `to_json` wrote; `body` is the app's model of the body, if it has one."""
        value = json_codec.decode(text)
        return cls(
            user=value["user"],
            chat_id=value["chatId"],
            client_version=ClientVersion.parse(value["floor"]).with_chunk_types(*value["besides"]),
            messages=[UIMessage.from_object(message) for message in value["messages"]],
            message_id=value["messageId"],
            trigger=value["trigger"],
            body=body.model_validate(value["body"]) if body else value["body"],
            decisions={name: Decision(**one) for name, one in value["decisions"].items()},
            answered=None if value["answered"] is None else frozenset(value["answered"]),
            revision=value["revision"],
        )
