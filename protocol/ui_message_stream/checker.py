"""Check the stream of any backend: find everything on which a client throws or goes wrong.

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
from ui_message_stream.grammar import ENDED, EVERY_RELEASE, PART_OPEN, REQUEST_LOOP
from ui_message_stream.messages import UIMessage
from ui_message_stream.schema import ProviderMetadata
from ui_message_stream.sse import Decoder
from ui_message_stream.state import BlockChunk, StreamState, label
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

_UNKNOWN = FirstReleases(None, None, None)


@dataclass(frozen=True, slots=True)
class Finding:
    """A problem of a stream.

    Attributes:
        rule: The name of the broken rule.
        text: What is wrong, in one line.
        event: The number of the event, from 1; 0 for the response as a whole.
        fatal: The releases whose client throws; None: no client throws, but the result is wrong.
    """

    rule: str
    text: str
    event: int
    fatal: str | None = None

    def __str__(self) -> str:
        location = f"event {self.event}" if self.event else "response"
        severity = f"fatal on {self.fatal}" if self.fatal else "not fatal"
        return f"{location}: {self.text} [{self.rule}; {severity}]"


def check(
    body: bytes, client_version: ClientVersion | None = None, *, message: UIMessage | None = None
) -> list[Finding]:
    """Check the body of a response.

    Args:
        body: The whole body.
        client_version: The oldest client that must be able to read it; 5.0.92 by default.
        message: The assistant message that the response continues, if any.

    Returns:
        The problems, in the order of the events.
    """
    checker = Checker(client_version, message=message)
    return [*checker.feed(body), *checker.end()]


class Checker:
    """Checks a stream while it arrives.

    A rule is reported once for each block, tool call or field that breaks it.

    Args:
        client_version: The oldest client that must be able to read the stream; 5.0.92 by default.
        message: The assistant message that the stream continues, if any.
    """

    def __init__(
        self, client_version: ClientVersion | None = None, *, message: UIMessage | None = None
    ) -> None:
        self._client_version = client_version or DEFAULT_CLIENT_VERSION
        self._state = StreamState(message, client_version=self._client_version)
        self._decoder = Decoder()
        self._utf8 = codecs.getincrementaldecoder("utf-8")("strict")
        self._event = 0
        self._done = False
        #: (text or reasoning, block id) -> the current metadata of the block
        self._blocks: dict[tuple[str, str], ProviderMetadata] = {}
        self._reported: set[tuple[str, str]] = set()
        self._findings: list[Finding] = []

    def feed(self, data: bytes) -> list[Finding]:
        """Check the events that the next bytes of the response complete.

        Args:
            data: The next bytes, split anywhere.

        Returns:
            The new problems.
        """
        if ("utf-8", "") not in self._reported:
            try:
                self._utf8.decode(data)
            except UnicodeDecodeError:
                self._add_finding("utf-8", "invalid UTF-8 is shown as U+FFFD", of="")
        for payload in self._decoder.feed(data):
            self._check_event(payload)
        return self._take_findings()

    def end(self) -> list[Finding]:
        """Check the end of the stream.

        Returns:
            The new problems.
        """
        for payload in self._decoder.end():
            self._check_event(payload)
            self._add_finding(
                "bare-cr", "clients of AI SDK 7 drop a last event that ends in a bare CR"
            )
        if self._decoder.has_unfinished_event:
            self._event += 1
            self._add_finding(
                "unfinished-event", "no blank line follows: every client drops the event"
            )
        has_chunks = self._event > self._done
        self._event = 0
        if not self._reported and not has_chunks:
            self._add_finding("no-events", "no events: the client shows nothing and no error")
        elif self._state.state != ENDED:
            self._add_finding(
                "no-finish", "neither `finish` nor `error`: a cut response looks complete"
            )
            if self._state.open_parts:
                self._add_finding(PART_OPEN.name, PART_OPEN.text)
            if self._state.would_continue():
                self._add_finding(REQUEST_LOOP.name, REQUEST_LOOP.text)
        elif not self._done and not self._decoder.has_unfinished_event:
            self._add_finding(
                "no-done", "no `[DONE]` at the end, which tells other tools that it is complete"
            )
        return self._take_findings()

    def _check_event(self, text: str) -> None:
        self._event += 1
        if self._done:
            self._add_finding(
                "after-done", "`[DONE]` does not end the stream: clients read this event"
            )
        if text == "[DONE]":
            self._done = True
            return
        try:
            value = json_codec.decode(text)
        except ValueError as error:
            self._add_finding("json", f"not JSON: {error}", of=str(error), fatal=EVERY_RELEASE)
            return
        if json_codec.has_forbidden_key(value):
            text = "a key is `__proto__`, or `constructor` with `prototype` in it"
            self._add_finding("forbidden-key", text, fatal=EVERY_RELEASE)
        try:
            chunk = parse_chunk(value)
        except WireError as error:
            name = value.get("type") if isinstance(value, dict) else None
            self._add_finding(
                "schema", f"{name or 'event'}: {error}", of=str(error), fatal=EVERY_RELEASE
            )
            return
        self._check_versions(chunk, value)
        if isinstance(chunk, BlockChunk):
            self._check_metadata(chunk)
        self._check_order(chunk)

    def _check_versions(self, chunk: Chunk, value: dict[str, Any]) -> None:
        """Find what the client version or a later release does not know."""
        name = "data" if isinstance(chunk, Data) else chunk.type
        if name in self._client_version.extra_chunk_types:
            return  # a feature of the app requires it
        if throws := self._throwing_releases(TYPE_KNOWN_SINCE.get(name)):
            self._add_finding("unknown-type", f"{name}: an unknown type", of=name, fatal=throws)
        for key in value.keys() - {"type"}:
            known = (
                FIELD_KNOWN_SINCE.get(name, {}).get(key) if key in chunk.known_keys() else _UNKNOWN
            )
            if throws := self._throwing_releases(known, IGNORES_UNKNOWN_FIELDS_SINCE):
                text = f"{name}: an unknown field `{key}`"
                self._add_finding("unknown-field", text, of=f"{name}.{key}", fatal=throws)
        if isinstance(chunk, Finish) and chunk.finish_reason is not None:
            reason = chunk.finish_reason
            if throws := self._throwing_releases(FINISH_REASON_KNOWN_SINCE.get(reason)):
                self._add_finding(
                    "unknown-reason", f"finish: an unknown reason {reason!r}", fatal=throws
                )

    def _throwing_releases(self, known: FirstReleases | None, *ignored: FirstReleases) -> str:
        """Return the releases that throw, the client version or later: "5.x, 6.x before 6.0.120".

        Args:
            known: The first releases that know a type, a field or a value; None if all do.
            ignored: The first releases that ignore it.
        """
        if known is None:
            return ""
        releases = []
        for major in range(self._client_version.major, NEWEST_CLIENT_VERSION.major + 1):
            since = [first for way in (known, *ignored) if (first := way[major - 5])]
            if not since:
                releases.append(f"{major}.x")
            elif min(since) > max(self._client_version, ClientVersion(major)):
                releases.append(f"{major}.x before {min(since)}")
        return ", ".join(releases)

    def _check_metadata(self, chunk: BlockChunk) -> None:
        """Find metadata of a block that is lost: a chunk's metadata replaces all earlier one."""
        block = (chunk.type.partition("-")[0], chunk.id)
        if isinstance(chunk, (TextStart, ReasoningStart)):
            self._blocks[block] = {}
        if (new := chunk.provider_metadata) is None:
            return
        for provider, metadata in self._blocks.get(block, {}).items():
            for key in sorted(metadata.keys() - new.get(provider, {}).keys()):
                text = f"{label(chunk)}: its metadata replaces the earlier `{provider}.{key}`"
                self._add_finding("metadata-lost", text, of=f"{provider}.{key}")
        self._blocks[block] = new

    def _check_order(self, chunk: Chunk) -> None:
        """Find the rules of the grammar that the chunk breaks."""
        name, state = label(chunk), self._state.state
        for rule in self._state.broken_by(chunk):
            text = f"{name} {state}: {rule.text}"
            self._add_finding(rule.name, text, of=name.partition(" ")[2], fatal=rule.fatal)
        self._state.advance(chunk)

    def _add_finding(self, rule: str, text: str, *, of: str = "", fatal: str | None = None) -> None:
        if (rule, of) not in self._reported:
            self._reported.add((rule, of))
            self._findings.append(Finding(rule, text, self._event, fatal))

    def _take_findings(self) -> list[Finding]:
        findings, self._findings = self._findings, []
        return findings
