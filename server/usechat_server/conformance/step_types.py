"""What a client can do in a step of a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from usechat_server.conformance.bodies import Body

__all__ = [
    "Accept",
    "Decide",
    "Edit",
    "ForgeApproval",
    "HangUp",
    "Refuse",
    "Regenerate",
    "Reload",
    "ResumeNothing",
    "SendMessage",
    "SendOutputs",
    "Shows",
    "Step",
    "Stop",
]

#: What a response must show, or the scenario cannot be judged.
Shows = Literal[
    "text",
    "reasoning",
    "call",
    "client call",
    "approval",
    "data",
    "metadata",
    "failure",
    "marker",
    "time",
]


@dataclass(frozen=True)
class SendMessage:
    """The user sends a message with the text of the script."""

    shows: Shows = "text"
    #: the rules that hold for the response besides those of every stream
    judge: tuple[str, ...] = ()
    files: tuple[Mapping[str, str], ...] = ()
    metadata: Any = None
    #: whether the response may be an error
    may_fail: bool = False


@dataclass(frozen=True)
class SendOutputs:
    """The client sends the outputs of the calls that it has run, and the model goes on."""


@dataclass(frozen=True)
class Decide:
    """The user approves or denies the calls that wait for it."""

    approved: bool


@dataclass(frozen=True)
class ForgeApproval:
    """A client approves a call that it has made up."""


@dataclass(frozen=True)
class Regenerate:
    """The user asks for another response."""


@dataclass(frozen=True)
class Edit:
    """The user edits the first message, and sends it again."""


@dataclass(frozen=True)
class HangUp:
    """The user sends a message, and presses Stop once a chunk of this type has arrived."""

    after: str


@dataclass(frozen=True)
class Reload:
    """The page is loaded again while the response arrives, and resumes it."""


@dataclass(frozen=True)
class Stop:
    """The client requests the stop route while the response arrives."""


@dataclass(frozen=True)
class ResumeNothing:
    """The page of a chat without a running response is loaded."""


@dataclass(frozen=True)
class Refuse:
    """A client sends bodies that are no chat requests."""

    bodies: tuple[Body, ...]


@dataclass(frozen=True)
class Accept:
    """A client sends bodies that a backend may not know, but has to accept."""

    bodies: tuple[Body, ...]


Step = (
    SendMessage
    | SendOutputs
    | Decide
    | ForgeApproval
    | Regenerate
    | Edit
    | HangUp
    | Reload
    | Stop
    | ResumeNothing
    | Refuse
    | Accept
)
