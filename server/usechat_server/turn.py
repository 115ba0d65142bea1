"""The turn: one checked POST to the chat, as models and the app's hooks get it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Generic, Self

from pydantic import BaseModel
from typing_extensions import TypeVar
from ui_message_stream import json_codec
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

__all__ = ["WRAPPERS", "BodyT", "Decision", "RunContext", "Turn", "TurnTrace"]

#: Levels of arrays and objects that the server puts around a value where it keeps it, in a store or
#: in Redis: more than a request has, so that whatever was accepted can be read again.
WRAPPERS = 10

#: What `turn.body` is: an instance of the app's `body=` model, else a dict.
BodyT = TypeVar("BodyT", default=Any)


@dataclass(frozen=True, slots=True)
class Decision:
    """The user's decision whether a tool call may run. It was checked.

    Attributes:
        approved: Whether the call may run.
        reason: The reason in the user's words, if one was given.
    """

    approved: bool
    reason: str | None = None


class TurnTrace:
    """The trace that a turn belongs to, see docs/telemetry.md.

    Args:
        traceparent: The span of the run that responds to it, in the form of the W3C's header.
    """

    def __init__(self, traceparent: str) -> None:
        self.traceparent = traceparent


class RunContext:
    """Base class of what a run passes through its turn to the agents that a handler streams."""


@dataclass(frozen=True, slots=True, weakref_slot=True)
class Turn(Generic[BodyT]):
    """A request to respond to. It holds no connection, so another process can take it over.

    `Turn[Options]` is one whose `body` is an instance of `Options`, the app's `body=` model.

    Attributes:
        user: The user's id, as the app's `user=` returned it; None without it.
        chat_id: The chat's id, as the client sent it.
        client_version: The oldest client release that must be able to read the response.
        messages: The history, oldest first; it ends with the message to respond to, or to continue.
        message_id: Id of the assistant message that is written: the continued message's, else a new
            id.
        trigger: `submit-message`, `regenerate-message` or another value that the client sent.
        body: The body's other keys: what the frontend's `body` option sent, or an instance of the
            app's own model.
        decisions: The user's decisions about open calls of the continued message, by tool call id.
        client_outputs: Ids of the calls whose output this request brought; None: without a store
            the server cannot tell, since the client sent the whole history.
        resolved_messages: Ids of earlier messages with calls whose output or denial this request
            brought.
        revision: The revision of the stored chat that the history is of; 0: the chat is not stored
            yet.
        run_context: Set by the run whose handler has this turn; None outside of one, and in another
            process.
        trace: The trace of the run; None if there is no tracer provider.
        request_id: The id of the request, see docs/telemetry.md.
    """

    user: str | None
    chat_id: str
    client_version: ClientVersion
    messages: list[UIMessage]
    message_id: str
    trigger: str = "submit-message"
    body: BodyT = field(default_factory=dict)  # type: ignore[assignment]
    decisions: Mapping[str, Decision] = field(default_factory=dict)
    client_outputs: frozenset[str] | None = None
    resolved_messages: frozenset[str] = frozenset()
    revision: int = 0
    run_context: RunContext | None = field(default=None, repr=False, compare=False)
    trace: TurnTrace | None = field(default=None, repr=False, compare=False)
    request_id: str | None = field(default=None, compare=False)

    @property
    def continued(self) -> UIMessage | None:
        """The assistant message that is continued (tool outputs, approvals), or None."""
        if not self.messages:
            return None  # a turn without its history, see `to_json`
        last = self.messages[-1]
        # An assistant message is also last when the one after it is regenerated.
        return last if last.role == "assistant" and last.id == self.message_id else None

    @property
    def question_id(self) -> str:
        """Id of the message that is responded to, or continued; that of the response itself for a
        turn without its history."""
        return self.messages[-1].id if self.messages else self.message_id

    def to_json(self, *, with_history: bool = True) -> bytes:
        """Return the turn as JSON text, for another process.

        Args:
            with_history: Whether it has all messages, or only the one that is continued.
        """
        messages = self.messages if with_history else [m for m in [self.continued] if m]
        body: Any = self.body
        if isinstance(body, BaseModel):
            body = body.model_dump(mode="json", by_alias=True)
        return json_codec.encode(
            {
                "user": self.user,
                "chatId": self.chat_id,
                "floor": str(self.client_version),
                "besides": sorted(self.client_version.extra_chunk_types),
                "messages": [message.to_object() for message in messages],
                "messageId": self.message_id,
                "trigger": self.trigger,
                "body": body,
                "decisions": {
                    call_id: asdict(decision) for call_id, decision in self.decisions.items()
                },
                "answered": None if self.client_outputs is None else sorted(self.client_outputs),
                "resolved": sorted(self.resolved_messages),
                "revision": self.revision,
                **({} if self.trace is None else {"traceparent": self.trace.traceparent}),
                **({} if self.request_id is None else {"requestId": self.request_id}),
            }
        )

    @classmethod
    def from_json(cls, text: bytes, body: type[BaseModel] | None = None) -> Self:
        """Return the turn that `to_json` wrote.

        Args:
            text: The JSON text.
            body: The app's model of the body, if it has one.
        """
        value = json_codec.decode_pruned(text, wrappers=WRAPPERS)
        turn_body: Any = body.model_validate(value["body"]) if body else value["body"]
        return cls(
            user=value["user"],
            chat_id=value["chatId"],
            client_version=ClientVersion.parse(value["floor"]).with_chunk_types(*value["besides"]),
            messages=[UIMessage.from_object(message) for message in value["messages"]],
            message_id=value["messageId"],
            trigger=value["trigger"],
            body=turn_body,
            decisions={
                call_id: Decision(**decision) for call_id, decision in value["decisions"].items()
            },
            client_outputs=None if value["answered"] is None else frozenset(value["answered"]),
            resolved_messages=frozenset(value.get("resolved", ())),
            revision=value["revision"],
            trace=TurnTrace(traceparent) if (traceparent := value.get("traceparent")) else None,
            request_id=value.get("requestId"),
        )
