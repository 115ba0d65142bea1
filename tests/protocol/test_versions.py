"""The tables of `versions` against the published packages themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from ui_message_stream import chunks as c
from ui_message_stream.chunks import Chunk, parse_chunk
from ui_message_stream.versions import (
    DEFAULT_CLIENT_VERSION,
    DENIED_TEXT,
    FIELD_KNOWN_SINCE,
    FINISH_REASON_KNOWN_SINCE,
    IGNORES_UNKNOWN_FIELDS_SINCE,
    NEWEST_CLIENT_VERSION,
    TYPE_KNOWN_SINCE,
    ClientVersion,
    FirstReleases,
    accepts,
    downgrade,
    missing,
)

from tests.protocol.reader import Reader
from tests.protocol.strategies import logs

RELEASES = [
    *("5.0.0", "5.0.92", "5.0.216", "5.0.277", "6.0.0", "6.0.230", "6.0.326"),
    *("7.0.0", "7.0.31", "7.0.173"),
]

ALWAYS = FirstReleases(ClientVersion(5), ClientVersion(6), ClientVersion(7))

#: A value for every field that a chunk can have, by its JSON key.
VALUES: dict[str, Any] = {
    "id": "1",
    "delta": "x",
    "toolCallId": "call",
    "toolName": "tool",
    "inputTextDelta": "{",
    "input": {},
    "output": None,
    "errorText": "failed",
    "approvalId": "approval",
    "approved": True,
    "sourceId": "source",
    "url": "https://example.com/",
    "mediaType": "text/csv",
    "title": "Title",
    "filename": "a.csv",
    "kind": "anthropic.fallback",
    "parts": [{"type": "text", "text": "Also this"}],
    "data": None,
    "transient": True,
    "messageId": "message",
    "messageMetadata": {"a": 1},
    "finishReason": "stop",
    "reason": "because",
    "providerMetadata": {"anthropic": {"a": None}},
    "toolMetadata": {"a": 1},
    "providerExecuted": True,
    "dynamic": True,
    "inputEncoding": "json",
    "preliminary": True,
    "signature": "signed",
    "isAutomatic": False,
    "approvalDescriptor": {"a": 1},
    "inputSchemaInput": {},
    "citations": [{"source": {"type": "source", "sourceType": "url", "id": "s", "url": "u"}}],
}


def _samples() -> dict[tuple[str, str], Chunk]:
    """A chunk of every type with its required fields, and one more for every other field.

    By type and that field. Some fields have more than one value that matters.
    """
    made: dict[tuple[str, str], Chunk] = {}
    classes: dict[str, type[Chunk]] = {**c.CHUNK_TYPES, "data-x": c.Data}
    for name, cls in classes.items():
        fields = {field.encode_name: field.required for field in msgspec.structs.fields(cls)}
        keys = cls.known_keys()
        whole = {"type": name, **{key: VALUES[key] for key in keys if fields[key]}}
        made[name, ""] = parse_chunk(whole)
        made[name, "unknownKey"] = parse_chunk({**whole, "unknownKey": 1})
        for key in sorted(keys):
            made[name, key] = parse_chunk({**whole, key: VALUES[key]})
    for reason in get_args(c.FinishReason):
        made["finish", f"finishReason={reason}"] = c.Finish(finish_reason=reason)
    made["tool-approval-request", "isAutomatic=true"] = c.ToolApprovalRequest(
        approval_id="approval", tool_call_id="call", is_automatic=True
    )
    return made


SAMPLES = _samples()


def known(sample: tuple[str, str], release: ClientVersion) -> bool:
    """What the tables say of one release, whatever other releases do."""
    name, key = sample
    key, _, value = key.partition("=")
    since = [TYPE_KNOWN_SINCE.get(name, ALWAYS)]
    if value in FINISH_REASON_KNOWN_SINCE:
        since.append(FINISH_REASON_KNOWN_SINCE[value])
    if key == "unknownKey":
        since.append(IGNORES_UNKNOWN_FIELDS_SINCE)
    elif not IGNORES_UNKNOWN_FIELDS_SINCE.includes(release):
        since.append(FIELD_KNOWN_SINCE.get(name, {}).get(key, ALWAYS))
    return all(one.includes(release) for one in since)


def rejected(
    reader: Reader, chunks: Mapping[tuple[str, str], Chunk | None], release: str
) -> set[tuple[str, str]]:
    sent = {sample: chunk for sample, chunk in chunks.items() if chunk is not None}
    errors = reader.accept([[chunk] for chunk in sent.values()], release)
    return {sample for sample, error in zip(sent, errors, strict=True) if error is not None}


@pytest.mark.parametrize("release", RELEASES)
def test_the_tables_say_exactly_what_a_release_rejects(reader: Reader, release: str) -> None:
    unknown = {sample for sample in SAMPLES if not known(sample, ClientVersion.parse(release))}
    assert rejected(reader, SAMPLES, release) == unknown


@pytest.mark.parametrize("release", RELEASES)
def test_what_is_made_for_a_client_version_is_accepted_from_there_on(
    reader: Reader, release: str
) -> None:
    texts = [release, "5", "5.0.92", "5.0.217", "6", "6.0.231", "7", "7.0.32"]
    client_versions = {ClientVersion.parse(text) for text in texts}
    for client_version in sorted(client_versions):
        if client_version <= ClientVersion.parse(release):
            chunks = {sample: downgrade(chunk, client_version) for sample, chunk in SAMPLES.items()}
            assert (client_version, rejected(reader, chunks, release)) == (client_version, set())


@pytest.mark.parametrize("release", RELEASES)
@given(log=logs(), cut=st.integers(1, 40))
@settings(max_examples=15)
def test_a_release_reads_a_whole_log_at_its_client_version_and_at_the_default(
    reader: Reader, release: str, log: list[Chunk], cut: int
) -> None:
    own = ClientVersion.parse(release)
    for client_version in {own, min(own, DEFAULT_CLIENT_VERSION)}:
        # A denial of a dynamic call cannot be told to AI SDK 5, where nobody was asked.
        assume(own.major > 5 or not any(isinstance(chunk, c.ToolOutputDenied) for chunk in log))
        chunks = [
            made for chunk in log[:cut] if (made := downgrade(chunk, client_version)) is not None
        ]
        said = next((chunk.error_text for chunk in chunks if isinstance(chunk, c.Error)), None)
        assert reader.read(chunks, release=release)["error"] == said


def test_nothing_is_lost_at_the_newest_client_version() -> None:
    lost = [
        s for s, chunk in SAMPLES.items() if downgrade(chunk, NEWEST_CLIENT_VERSION) is not chunk
    ]
    assert lost == [("finish", "finishReason=unknown")]


def test_an_older_client_is_told_in_another_way() -> None:
    denied = c.ToolOutputDenied(tool_call_id="1")
    assert downgrade(denied, ClientVersion(5)) == c.ToolOutputError(
        tool_call_id="1", error_text=DENIED_TEXT
    )
    cut = c.Finish(finish_reason="interrupted", message_metadata={"a": 1})
    told = c.Finish(finish_reason="other", message_metadata={"a": 1})
    assert (
        downgrade(cut, ClientVersion(7, 0, 148)) == downgrade(cut, DEFAULT_CLIENT_VERSION) == told
    )
    assert downgrade(cut, ClientVersion(5, 0, 91)) == c.Finish(message_metadata={"a": 1})


def test_an_automatic_approval_is_told_whole_or_not_at_all() -> None:
    asked = c.ToolApprovalRequest(approval_id="a", tool_call_id="1", is_automatic=True)
    answered = c.ToolApprovalResponse(approval_id="a", approved=True)
    for client_version in (ClientVersion(6), ClientVersion(6, 0, 326)):
        assert downgrade(asked, client_version) is downgrade(answered, client_version) is None
    assert downgrade(asked, ClientVersion(7)) is asked
    assert downgrade(answered, ClientVersion(7)) is answered


def test_a_preliminary_output_is_never_shown_as_the_final_one() -> None:
    output = c.ToolOutputAvailable(tool_call_id="1", output=1, preliminary=True)
    assert downgrade(output, ClientVersion(5, 0, 10)) is None
    assert downgrade(output, ClientVersion(5, 0, 11)) is output


def test_a_field_is_kept_back_for_a_later_major_that_does_not_know_it() -> None:
    # Known from 6.0.274 on, and to 7.0.87 on: 7.0.31 throws on it, 7.0.32 ignores it.
    asked = c.ToolApprovalRequest(approval_id="a", tool_call_id="1", approval_descriptor={})
    bare = c.ToolApprovalRequest(approval_id="a", tool_call_id="1")
    assert (
        downgrade(asked, ClientVersion(6, 0, 326))
        == downgrade(asked, ClientVersion(7, 0, 31))
        == bare
    )
    assert downgrade(asked, ClientVersion(7, 0, 32)) is asked


def test_what_a_client_version_cannot_carry_is_said_by_name() -> None:
    wanted = ["text-delta", "tool-approval-request", "custom", "data"]
    assert missing(wanted, DEFAULT_CLIENT_VERSION) == ["tool-approval-request", "custom"]
    assert missing(wanted, ClientVersion(6)) == ["custom"]
    assert missing(wanted, NEWEST_CLIENT_VERSION) == []
    assert accepts(ClientVersion(6), "text-delta", "unknownKey") is False


def test_a_feature_of_the_app_can_go_beyond_the_client_version_and_nothing_else_does() -> None:
    client_version = DEFAULT_CLIENT_VERSION.with_chunk_types(
        "tool-approval-request", "tool-output-denied"
    )
    asked = c.ToolApprovalRequest(approval_id="a", tool_call_id="1", signature="6.0.202")
    assert downgrade(asked, client_version) == c.ToolApprovalRequest(
        approval_id="a", tool_call_id="1"
    )
    denied = c.ToolOutputDenied(tool_call_id="1")
    assert downgrade(denied, client_version) is denied
    titled = c.ToolInputStart(tool_call_id="1", tool_name="a", title="A")
    assert downgrade(titled, client_version) == c.ToolInputStart(tool_call_id="1", tool_name="a")
    assert missing(["tool-approval-request", "custom"], client_version) == ["custom"]
    assert str(client_version) == str(DEFAULT_CLIENT_VERSION)


@pytest.mark.parametrize(
    ("text", "client_version"),
    [("5", (5, 0, 0)), ("6.0", (6, 0, 0)), ("5.0.92", (5, 0, 92)), ("7.12.3", (7, 12, 3))],
)
def test_a_client_version_is_read_from_text(
    text: str, client_version: tuple[int, int, int]
) -> None:
    assert ClientVersion.parse(text) == ClientVersion(*client_version)
    assert str(ClientVersion.parse(text)) == ".".join(map(str, client_version))


@pytest.mark.parametrize("text", ["", "4.3.1", "8", "latest", "6.0.0-beta.1", "5.0.0.0", "٥", "-5"])
def test_what_is_no_release_of_this_protocol_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="ai"):
        ClientVersion.parse(text)
