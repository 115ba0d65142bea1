"""The tables of `versions`, compared with the published packages."""

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
    """Return (type, field) -> a chunk of the type with its required fields and that field.

    Some fields have several values that matter.
    """
    samples: dict[tuple[str, str], Chunk] = {}
    classes: dict[str, type[Chunk]] = {**c.CHUNK_TYPES, "data-x": c.Data}
    for name, cls in classes.items():
        fields = {field.encode_name: field.required for field in msgspec.structs.fields(cls)}
        keys = cls.known_keys()
        whole = {"type": name, **{key: VALUES[key] for key in keys if fields[key]}}
        samples[name, ""] = parse_chunk(whole)
        samples[name, "unknownKey"] = parse_chunk({**whole, "unknownKey": 1})
        for key in sorted(keys):
            samples[name, key] = parse_chunk({**whole, key: VALUES[key]})
    for reason in get_args(c.FinishReason):
        samples["finish", f"finishReason={reason}"] = c.Finish(finish_reason=reason)
    samples["tool-approval-request", "isAutomatic=true"] = c.ToolApprovalRequest(
        approval_id="approval", tool_call_id="call", is_automatic=True
    )
    return samples


SAMPLES = _samples()


def is_known(sample: tuple[str, str], release: ClientVersion) -> bool:
    """Whether a release accepts a sample, according to the tables."""
    name, key = sample
    key, _, value = key.partition("=")
    since = [TYPE_KNOWN_SINCE.get(name, ALWAYS)]
    if value in FINISH_REASON_KNOWN_SINCE:
        since.append(FINISH_REASON_KNOWN_SINCE[value])
    if key == "unknownKey":
        since.append(IGNORES_UNKNOWN_FIELDS_SINCE)
    elif not IGNORES_UNKNOWN_FIELDS_SINCE.includes(release):
        since.append(FIELD_KNOWN_SINCE.get(name, {}).get(key, ALWAYS))
    return all(first.includes(release) for first in since)


def find_rejected(
    reader: Reader, chunks: Mapping[tuple[str, str], Chunk | None], release: str
) -> set[tuple[str, str]]:
    sent = {sample: chunk for sample, chunk in chunks.items() if chunk is not None}
    errors = reader.accept([[chunk] for chunk in sent.values()], release)
    return {sample for sample, error in zip(sent, errors, strict=True) if error is not None}


@pytest.mark.parametrize("release", RELEASES)
def test_the_tables_match_what_a_release_rejects(reader: Reader, release: str) -> None:
    unknown = {sample for sample in SAMPLES if not is_known(sample, ClientVersion.parse(release))}
    assert find_rejected(reader, SAMPLES, release) == unknown


@pytest.mark.parametrize("release", RELEASES)
def test_a_downgraded_chunk_is_accepted_by_all_newer_releases(reader: Reader, release: str) -> None:
    texts = [release, "5", "5.0.92", "5.0.217", "6", "6.0.231", "7", "7.0.32"]
    client_versions = {ClientVersion.parse(text) for text in texts}
    for client_version in sorted(client_versions):
        if client_version <= ClientVersion.parse(release):
            chunks = {sample: downgrade(chunk, client_version) for sample, chunk in SAMPLES.items()}
            assert (client_version, find_rejected(reader, chunks, release)) == (
                client_version,
                set(),
            )


@pytest.mark.parametrize("release", RELEASES)
@given(log=logs(), size=st.integers(1, 40))
@settings(max_examples=15)
def test_a_release_reads_logs_for_its_own_and_for_the_default_version(
    reader: Reader, release: str, log: list[Chunk], size: int
) -> None:
    version = ClientVersion.parse(release)
    for client_version in {version, min(version, DEFAULT_CLIENT_VERSION)}:
        # A denial of a dynamic call has no form for AI SDK 5, which has no approvals.
        assume(version.major > 5 or not any(isinstance(chunk, c.ToolOutputDenied) for chunk in log))
        chunks = [
            sent for chunk in log[:size] if (sent := downgrade(chunk, client_version)) is not None
        ]
        error_text = next(
            (chunk.error_text for chunk in chunks if isinstance(chunk, c.Error)), None
        )
        assert reader.read(chunks, release=release)["error"] == error_text


def test_the_newest_client_version_changes_no_chunk() -> None:
    lost = [
        s for s, chunk in SAMPLES.items() if downgrade(chunk, NEWEST_CLIENT_VERSION) is not chunk
    ]
    assert lost == [("finish", "finishReason=unknown")]


def test_older_clients_get_another_form() -> None:
    denial = c.ToolOutputDenied(tool_call_id="1")
    assert downgrade(denial, ClientVersion(5)) == c.ToolOutputError(
        tool_call_id="1", error_text=DENIED_TEXT
    )
    interrupted = c.Finish(finish_reason="interrupted", message_metadata={"a": 1})
    expected = c.Finish(finish_reason="other", message_metadata={"a": 1})
    assert (
        downgrade(interrupted, ClientVersion(7, 0, 148))
        == downgrade(interrupted, DEFAULT_CLIENT_VERSION)
        == expected
    )
    assert downgrade(interrupted, ClientVersion(5, 0, 91)) == c.Finish(message_metadata={"a": 1})


def test_an_automatic_approval_is_sent_completely_or_not_at_all() -> None:
    request = c.ToolApprovalRequest(approval_id="a", tool_call_id="1", is_automatic=True)
    response = c.ToolApprovalResponse(approval_id="a", approved=True)
    for client_version in (ClientVersion(6), ClientVersion(6, 0, 326)):
        assert downgrade(request, client_version) is downgrade(response, client_version) is None
    assert downgrade(request, ClientVersion(7)) is request
    assert downgrade(response, ClientVersion(7)) is response


def test_a_preliminary_output_is_never_sent_as_the_final_one() -> None:
    output = c.ToolOutputAvailable(tool_call_id="1", output=1, preliminary=True)
    assert downgrade(output, ClientVersion(5, 0, 10)) is None
    assert downgrade(output, ClientVersion(5, 0, 11)) is output


def test_a_field_that_a_later_major_rejects_is_not_sent() -> None:
    # 6.0.274 and 7.0.87 know it. In between, 7.0.31 throws on it, 7.0.32 ignores it.
    request = c.ToolApprovalRequest(approval_id="a", tool_call_id="1", approval_descriptor={})
    bare = c.ToolApprovalRequest(approval_id="a", tool_call_id="1")
    assert (
        downgrade(request, ClientVersion(6, 0, 326))
        == downgrade(request, ClientVersion(7, 0, 31))
        == bare
    )
    assert downgrade(request, ClientVersion(7, 0, 32)) is request


def test_missing_names_the_unsupported_chunk_types() -> None:
    chunk_types = ["text-delta", "tool-approval-request", "custom", "data"]
    assert missing(chunk_types, DEFAULT_CLIENT_VERSION) == ["tool-approval-request", "custom"]
    assert missing(chunk_types, ClientVersion(6)) == ["custom"]
    assert missing(chunk_types, NEWEST_CLIENT_VERSION) == []
    assert accepts(ClientVersion(6), "text-delta", "unknownKey") is False


def test_extra_chunk_types_are_sent_without_newer_fields() -> None:
    client_version = DEFAULT_CLIENT_VERSION.with_chunk_types(
        "tool-approval-request", "tool-output-denied"
    )
    request = c.ToolApprovalRequest(approval_id="a", tool_call_id="1", signature="6.0.202")
    assert downgrade(request, client_version) == c.ToolApprovalRequest(
        approval_id="a", tool_call_id="1"
    )
    denial = c.ToolOutputDenied(tool_call_id="1")
    assert downgrade(denial, client_version) is denial
    input_start = c.ToolInputStart(tool_call_id="1", tool_name="a", title="A")
    assert downgrade(input_start, client_version) == c.ToolInputStart(
        tool_call_id="1", tool_name="a"
    )
    assert missing(["tool-approval-request", "custom"], client_version) == ["custom"]
    assert str(client_version) == str(DEFAULT_CLIENT_VERSION)


@pytest.mark.parametrize(
    ("text", "client_version"),
    [("5", (5, 0, 0)), ("6.0", (6, 0, 0)), ("5.0.92", (5, 0, 92)), ("7.12.3", (7, 12, 3))],
)
def test_a_client_version_is_parsed(text: str, client_version: tuple[int, int, int]) -> None:
    assert ClientVersion.parse(text) == ClientVersion(*client_version)
    assert str(ClientVersion.parse(text)) == ".".join(map(str, client_version))


@pytest.mark.parametrize("text", ["", "4.3.1", "8", "latest", "6.0.0-beta.1", "5.0.0.0", "٥", "-5"])
def test_a_text_that_is_not_a_release_of_this_protocol_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="ai"):
        ClientVersion.parse(text)
