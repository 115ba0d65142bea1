"""Compare our chunks with those of the AI SDK's own server, for the same recorded streams.

The project's own recordings are always read, and those of the folder in the variable
`OPENAI_CHAT_STREAMS` if it is set. Allowed differences are in `differences`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from ui_message_stream.versions import ClientVersion

from tests.harness.node import REFERENCE, NodeProcess, require
from tests.server.providers.normal_form import Chunks, normal_form
from tests.server.providers.openai_chat.differences import DIFFERENCES, Pair
from tests.server.providers.openai_chat.recordings import (
    Recording,
    others,
    our_own,
    recorded_chat,
)
from tests.server.providers.recorded_conversation import OUTPUT, flatten

CLIENT_VERSION = ClientVersion.parse("7.0.173")

DOCS = Path(__file__).parents[4] / "docs" / "openai.md"

CASES = [
    pytest.param(recording, id=f"{folder}{recording.name}")
    for folder, recordings in (("", our_own()), ("recorded-", others()))
    for recording in recordings
]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    require(REFERENCE)
    with NodeProcess(REFERENCE / "main.mjs") as process:
        yield process


@pytest.mark.parametrize("recording", CASES)
async def test_chunks_are_those_of_the_reference(node: NodeProcess, recording: Recording) -> None:
    reference = node.call(
        "translate",
        api=recording.api,
        responses=recording.responses,
        question=recording.question,
        tools=recording.client_tools,
        output=OUTPUT,
    )
    conversation = recorded_chat(recording, CLIENT_VERSION)
    await conversation.run([turn["responses"] for turn in reference["turns"]])
    pair = Pair(recording, flatten(reference["turns"], recording), conversation.chunks)
    for difference in DIFFERENCES:
        difference.apply(pair)
    expected, sent = normal_form(pair.reference), normal_form(pair.ours)
    if sent != expected:
        lines = unified_diff(_lines(expected), _lines(sent), "reference", "ours", n=2, lineterm="")
        pytest.fail("\n".join(lines), pytrace=False)


def _lines(chunks: Chunks) -> list[str]:
    return [json.dumps(chunk, ensure_ascii=False, sort_keys=True) for chunk in chunks]


def test_the_docs_list_every_difference_and_no_other() -> None:
    table = DOCS.read_text().rpartition("| --- | --- |\n")[2]
    assert table == "".join(f"| {row.reference} | {row.reason} |\n" for row in DIFFERENCES)
