"""The checker of a foreign stream: everything in it on which a client throws, or that does harm.

for finding in check(response_body):
    print(finding)
"""

from __future__ import annotations

import codecs
from dataclasses import dataclass
from typing import Any

from ui_message_stream import json_codec
from ui_message_stream.chunks import Chunk, Data, Finish, ReasoningStart, TextStart, parse_chunk
from ui_message_stream.errors import WireError
from ui_message_stream.grammar import BEFORE, ENDED, EVERY_RELEASE, PART_OPEN, REQUEST_LOOP
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import ProviderMetadata
from ui_message_stream.sse import Decoder
from ui_message_stream.state import BlockChunk, StreamState, subject
from ui_message_stream.versions import (
    DEFAULT_CLIENT_VERSION,
    FIELD_KNOWN_SINCE,
    FINISH_REASON_KNOWN_SINCE,
    IGNORES_UNKNOWN_FIELDS_SINCE,
    NEWEST_CLIENT_VERSION,
    TYPE_KNOWN_SINCE,
    ClientVersion,
    FirstReleases,
)

__all__ = ["Checker", "Finding", "check"]

_NEVER = FirstReleases(None, None, None)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong with a stream."""

    #: the name of the broken rule
    rule: str
    text: str
    #: which event, counted from 1; 0: the response as a whole
    event: int
    #: the releases whose client throws; None: every client goes on, and it does harm
    fatal: str | None = None

    def __str__(self) -> str:
        place = f"event {self.event}" if self.event else "response"
        severity = f"fatal on {self.fatal}" if self.fatal else "contract"
        return f"{place}: {self.text} [{self.rule}; {severity}]"


def check(
    body: bytes, client_version: ClientVersion | None = None, *, message: UIMessage | None = None
) -> list[Finding]:
    """What is wrong with the body of a response, in the order of its events.

    `client_version` is the oldest client release that must be able to read it (default: 5.0.92),
    `message`
    the assistant message that the response continues.
    """
    checker = Checker(client_version, message=message)
    return [*checker.feed(body), *checker.end()]


class Checker:
    """Checks a stream while it arrives. One rule is reported once for each block, call or field."""

    def __init__(
        self, client_version: ClientVersion | None = None, *, message: UIMessage | None = None
    ) -> None:
        self._client_version = client_version or DEFAULT_CLIENT_VERSION
        self._grammar = StreamState(message, client_version=self._client_version)
        self._decoder = Decoder()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._event = 0
        self._done = False
        #: (text or reasoning, block id) -> the metadata that the block has
        self._blocks: dict[tuple[str, str], ProviderMetadata] = {}
        self._seen: set[tuple[str, str]] = set()
        self._findings: list[Finding] = []

    def feed(self, data: bytes) -> list[Finding]:
        """What is wrong with the events that the next bytes of the response complete."""
        if ("utf-8", "") not in self._seen:
            try:
                self._utf8.decode(data)
            except UnicodeDecodeError:
                self._find("utf-8", "bytes that are not UTF-8 show as U+FFFD", of="")
        for payload in self._decoder.feed(data):
            self._payload(payload)
        return self._take()

    def end(self) -> list[Finding]:
        """What is wrong with the stream, now that it has ended."""
        for payload in self._decoder.end():
            self._payload(payload)
            self._find("bare-cr", "clients of AI SDK 7 lose a last event that ends in a bare CR")
        if self._decoder.has_unfinished_event:
            self._event += 1
            self._find("unfinished-event", "no blank line follows: every client drops the event")
        self._event = 0
        if not self._seen and self._grammar.state == BEFORE:
            self._find("no-events", "no events: the page is ready and shows nothing")
        elif self._grammar.state != ENDED:
            self._find("no-finish", "neither `finish` nor `error`: a cut answer looks complete")
            if self._grammar.open_parts:
                self._find(PART_OPEN.name, PART_OPEN.text)
            if self._grammar.continues():
                self._find(REQUEST_LOOP.name, REQUEST_LOOP.text)
        elif not self._done:
            self._find("no-done", "no `[DONE]` at the end, by which other tools know it is whole")
        return self._take()

    def _payload(self, text: str) -> None:
        self._event += 1
        if self._done:
            self._find("after-done", "`[DONE]` ends nothing: clients go on with this event")
        if text == "[DONE]":
            self._done = True
            return
        try:
            value = json_codec.decode(text)
        except ValueError as error:
            self._find("json", f"not JSON: {error}", of=str(error), fatal=EVERY_RELEASE)
            return
        if json_codec.has_forbidden_key(value):
            key = "`__proto__`, or `constructor` with `prototype` in it"
            self._find("forbidden-key", f"a key is {key}", fatal=EVERY_RELEASE)
        try:
            chunk = parse_chunk(value)
        except WireError as error:
            name = value.get("type") if isinstance(value, dict) else None
            self._find("schema", f"{name or 'event'}: {error}", of=str(error), fatal=EVERY_RELEASE)
            return
        self._versions(chunk, value)
        if isinstance(chunk, BlockChunk):
            self._metadata(chunk)
        self._order(chunk)

    def _versions(self, chunk: Chunk, value: dict[str, Any]) -> None:
        """What some release from the client version on does not know."""
        name = "data" if isinstance(chunk, Data) else chunk.type
        if name in self._client_version.extra_chunk_types:
            return  # the app switched on what needs it
        if throws := self._throw(TYPE_KNOWN_SINCE.get(name)):
            self._find("unknown-type", f"{name}: an unknown type", of=name, fatal=throws)
        for key in value.keys() - {"type"}:
            known = (
                FIELD_KNOWN_SINCE.get(name, {}).get(key) if key in chunk.known_keys() else _NEVER
            )
            if throws := self._throw(known, IGNORES_UNKNOWN_FIELDS_SINCE):
                text = f"{name}: an unknown field `{key}`"
                self._find("unknown-field", text, of=f"{name}.{key}", fatal=throws)
        if isinstance(chunk, Finish) and chunk.finish_reason is not None:
            reason = chunk.finish_reason
            if throws := self._throw(FINISH_REASON_KNOWN_SINCE.get(reason)):
                self._find("unknown-reason", f"finish: an unknown reason {reason!r}", fatal=throws)

    def _throw(self, known: FirstReleases | None, *ignored: FirstReleases) -> str:
        """The releases from the client version on that know something not (None: all do), in
        words."""
        if known is None:
            return ""
        throw = []
        for major in range(self._client_version.major, NEWEST_CLIENT_VERSION.major + 1):
            since = [first for way in (known, *ignored) if (first := way[major - 5])]
            if not since:
                throw.append(f"{major}.x")
            elif min(since) > max(self._client_version, ClientVersion(major)):
                throw.append(f"{major}.x before {min(since)}")
        return ", ".join(throw)

    def _metadata(self, chunk: BlockChunk) -> None:
        """What the client forgets of a block: a chunk's metadata takes the place of all before."""
        block = (chunk.type.partition("-")[0], chunk.id)
        if isinstance(chunk, (TextStart, ReasoningStart)):
            self._blocks[block] = {}
        if (new := chunk.provider_metadata) is None:
            return
        for provider, said in self._blocks.get(block, {}).items():
            for key in sorted(said.keys() - new.get(provider, {}).keys()):
                text = f"{subject(chunk)}: its metadata replaces `{provider}.{key}`, sent before"
                self._find("metadata-lost", text, of=f"{provider}.{key}")
        self._blocks[block] = new

    def _order(self, chunk: Chunk) -> None:
        """What may not come here."""
        name, state = subject(chunk), self._grammar.state
        for rule in self._grammar.broken_by(chunk):
            text = f"{name} {state}: {rule.text}"
            self._find(rule.name, text, of=name.partition(" ")[2], fatal=rule.fatal)
        self._grammar.advance(chunk)

    def _find(self, rule: str, text: str, *, of: str = "", fatal: str | None = None) -> None:
        if (rule, of) not in self._seen:
            self._seen.add((rule, of))
            self._findings.append(Finding(rule, text, self._event, fatal))

    def _take(self) -> list[Finding]:
        found, self._findings = self._findings, []
        return found
