"""What a rule of the protocol is: a sentence in the words of RFC 2119, and what breaks it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from ui_message_stream.grammar import EVERY_RELEASE
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, ClientVersion

__all__ = [
    "EVERY_RELEASE",
    "BackendExample",
    "CannedResponse",
    "Rule",
    "Severity",
    "StreamExample",
    "Topic",
]

Severity = Literal["error", "warning"]
Topic = Literal[
    "Framing",
    "Chunks",
    "Order",
    "Blocks",
    "Tool calls",
    "End",
    "Requests",
    "Responses",
    "Failures",
    "Resume",
]


@dataclass(frozen=True)
class StreamExample:
    """A response that breaks one rule and no other.

    Attributes:
        body: The body of the response.
        message: The assistant message that the response continues, if any.
        client_version: The oldest client that it is for.
    """

    body: bytes
    message: UIMessage | None = None
    client_version: ClientVersion = DEFAULT_CLIENT_VERSION

    @classmethod
    def of(
        cls,
        *events: Any,
        message: UIMessage | None = None,
        client_version: ClientVersion = DEFAULT_CLIENT_VERSION,
    ) -> StreamExample:
        """Return the example with these events: JSON values, or texts that are sent as they are.

        Args:
            events: The data of the events, in order.
            message: The assistant message that the response continues.
            client_version: The oldest client that it is for.
        """
        texts = [each if isinstance(each, str) else json.dumps(each) for each in events]
        return cls("".join(f"data: {text}\n\n" for text in texts).encode(), message, client_version)


@dataclass(frozen=True)
class CannedResponse:
    """A response of a backend, as it would arrive.

    Attributes:
        body: The pieces of the body, each with the second at which it arrives.
        status: The status of the response.
        headers: The headers of the response.
        closed_at: The second at which the response ends; None: with its last piece.
    """

    body: tuple[tuple[float, bytes], ...] = ()
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    closed_at: float | None = None


@dataclass(frozen=True)
class BackendExample:
    """Responses to the requests of a scenario, of which one breaks one rule and no other."""

    scenario: str
    responses: tuple[CannedResponse, ...]


@dataclass(frozen=True)
class Rule:
    """A rule of the protocol.

    Attributes:
        id: The name of the rule, which does not change.
        topic: The part of the protocol that it belongs to.
        sentence: What a backend must do, in the words of RFC 2119.
        effect: What users see if it does not.
        example: What breaks this rule and no other.
        throws: The releases of `ai` whose client throws, in words; "" if none does.
        implies: The rules that whatever breaks this one breaks as well.
    """

    id: str
    topic: Topic
    sentence: str
    effect: str
    example: StreamExample | BackendExample
    throws: str = ""
    implies: tuple[str, ...] = ()

    @property
    def severity(self) -> Severity:
        """`error` for what a backend MUST do, `warning` for what it SHOULD do."""
        return "error" if "MUST" in self.sentence else "warning"


#: Topic, id, sentence, effect, and a stream that breaks the rule and no other.
Row = tuple[Topic, str, str, str, StreamExample]
