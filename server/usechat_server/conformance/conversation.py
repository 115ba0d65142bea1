"""A chat of a client with a backend: what the client sends, and what it has afterwards."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from ui_message_stream import json_codec
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.conformance.catalog import RULES
from usechat_server.conformance.exchange import Backend, Request
from usechat_server.conformance.recording import Recording, read_response
from usechat_server.conformance.results import Problem
from usechat_server.conformance.streams import check_stream

__all__ = ["Conversation", "NotJudged"]


class NotJudged(Exception):
    """The rest of a scenario cannot be judged; the text says why."""


@dataclass
class Conversation:
    """A chat.

    Attributes:
        backend: The backend.
        text: What the user says.
        client_version: The oldest client that has to read the streams.
        messages: The messages that the client has.
        problems: The broken rules.
        recordings: The responses, in the order of the requests.
    """

    backend: Backend
    text: str
    client_version: ClientVersion
    chat_id: str = field(default_factory=lambda: f"conformance-{secrets.token_hex(8)}")
    messages: list[UIMessage] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    recordings: list[Recording] = field(default_factory=list)
    _count: int = 0

    def add_user_message(
        self, *, files: Sequence[Mapping[str, str]] = (), metadata: Any = None
    ) -> None:
        """Add a message of the user."""
        message: dict[str, Any] = {"id": self.new_id("user"), "role": "user"}
        if metadata is not None:
            message["metadata"] = metadata
        message["parts"] = [*files, {"type": "text", "text": self.text}]
        self.messages.append(UIMessage.from_object(message))

    def new_id(self, kind: str) -> str:
        """Return an id for a message."""
        self._count += 1
        return f"{kind}-{self._count}"

    def body(self, **fields: Any) -> bytes:
        """Return the body of a request, as useChat sends it."""
        return json_codec.encode(
            {
                "id": self.chat_id,
                "messages": [message.to_object() for message in self.messages],
                "trigger": "submit-message",
                **fields,
            }
        )

    @contextmanager
    def send(self, request: Request) -> Iterator[Recording]:
        """Send a request, whose response is read by the caller."""
        with self.backend.send(request) as response:
            recording = Recording(len(self.recordings) + 1, response)
            self.recordings.append(recording)
            yield recording

    def post(
        self,
        *,
        continued: UIMessage | None = None,
        until: Callable[[Recording], bool] | None = None,
        **fields: Any,
    ) -> Recording:
        """Send the messages, read the response, and check its stream.

        Args:
            continued: The assistant message that the response continues.
            until: When to hang up.
            fields: Further fields of the body.
        """
        with self.send(Request(body=self.body(**fields))) as recording:
            recording.continued = continued
            for _ in read_response(recording, until):
                pass
        self.keep(recording)
        return recording

    def keep(self, recording: Recording) -> None:
        """Take over the message of a response, as the client does, and check its stream."""
        if recording.response.status != 200:
            return
        if recording.is_complete:
            self.check(recording)
        message = recording.message
        if not message.parts:
            return
        message.id = message.id or self.new_id("assistant")
        if recording.continued is not None and self.messages[-1].role == "assistant":
            self.messages[-1] = message
        else:
            self.messages.append(message)

    def check(self, recording: Recording) -> None:
        """Find the rules that the stream of a response breaks."""
        self.problems += check_stream(
            bytes(recording.body),
            self.client_version,
            message=recording.continued,
            place=recording.place,
        )

    def report(self, rule: str, texts: Iterator[str], place: str) -> bool:
        """Report what is wrong, and return whether something is."""
        found_texts = list(texts)
        severity = RULES[rule].severity
        self.problems += [Problem(rule, severity, text, place) for text in found_texts]
        return bool(found_texts)

    def path(self, name: str) -> str:
        """Return the path of a route of this chat, after the URL of the chat route."""
        return f"/{quote(self.chat_id, safe='')}/{name}"
