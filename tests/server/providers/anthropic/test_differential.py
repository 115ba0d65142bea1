"""Compare our chunks with those of the AI SDK's own server, for the same recorded streams.

The project's own recordings are always read, and those of the folder in the variable
`ANTHROPIC_STREAMS` if it is set. Allowed differences are in `differences`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path

import pytest
from ui_message_stream.versions import ClientVersion

from tests.harness.node import NodeProcess
from tests.server.providers.anthropic.differences import DIFFERENCES, Pair
from tests.server.providers.anthropic.recorded_claude import recorded_claude
from tests.server.providers.anthropic.recordings import Recording, others, our_own
from tests.server.providers.normal_form import Chunks, normal_form
from tests.server.providers.recorded_conversation import OUTPUT, flatten

#: The client of each major.
CLIENT_VERSIONS = {6: ClientVersion.parse("6.0.326"), 7: ClientVersion.parse("7.0.173")}

DOCS = Path(__file__).parents[4] / "docs" / "anthropic.md"

CASES = [
    pytest.param(recording, major, id=f"{folder}{recording.name}-{major}")
    for folder, recordings in (("", our_own()), ("recorded-", others()))
    for recording in recordings
    for major in CLIENT_VERSIONS
]


@pytest.fixture(scope="module")
def node() -> Iterator[NodeProcess]:
    with NodeProcess(Path(__file__).parent / "reference" / "main.mjs") as process:
        yield process


@pytest.mark.parametrize(("recording", "major"), CASES)
async def test_chunks_are_those_of_the_reference(
    node: NodeProcess, recording: Recording, major: int
) -> None:
    reference = node.call(
        "translate",
        major=major,
        responses=recording.responses,
        question=recording.question,
        tools=recording.tools,
        output=OUTPUT,
    )
    conversation = recorded_claude(recording, CLIENT_VERSIONS[major])
    await conversation.run([turn["responses"] for turn in reference["turns"]])
    pair = Pair(recording, major, flatten(reference["turns"], recording), conversation.chunks)
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
