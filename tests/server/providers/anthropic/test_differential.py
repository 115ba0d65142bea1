"""Our chunks beside those of the AI SDK's own server, of the same recorded streams.

The project's own recordings are always read; with `ANTHROPIC_STREAMS=folder` those of the folder
too. What may differ is in `differences`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from difflib import unified_diff
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream.versions import ClientVersion

from tests.harness.node import NodeProcess
from tests.server.providers.anthropic.differences import DIFFERENCES, Pair
from tests.server.providers.anthropic.normal_form import Chunks, normal_form
from tests.server.providers.anthropic.recorded_conversation import OUTPUT, RecordedConversation
from tests.server.providers.anthropic.recordings import Recording, others, our_own

#: What reads the chunks, by major.
CLIENT_VERSIONS = {6: ClientVersion.parse("6.0.326"), 7: ClientVersion.parse("7.0.173")}

PAGE = Path(__file__).parents[4] / "docs" / "anthropic.md"

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
    answer = node.call(
        "translate",
        major=major,
        responses=recording.responses,
        question=recording.question,
        tools=recording.tools,
        output=OUTPUT,
    )
    conversation = RecordedConversation(recording, CLIENT_VERSIONS[major])
    await conversation.run([turn["responses"] for turn in answer["turns"]])
    pair = Pair(recording, major, flat(answer["turns"], recording), conversation.chunks)
    for difference in DIFFERENCES:
        difference.apply(pair)
    expected, sent = normal_form(pair.reference), normal_form(pair.ours)
    if sent != expected:
        lines = unified_diff(_lines(expected), _lines(sent), "reference", "ours", n=2, lineterm="")
        pytest.fail("\n".join(lines), pytrace=False)


def flat(turns: list[dict[str, Any]], recording: Recording) -> Chunks:
    """The reference's turns as one stream: what they hold, an end after each step (unless the
    provider only paused), and the end of the last. Outputs of the app's tools are left out."""
    made: Chunks = []
    steps = 0
    for chunk in (chunk for turn in turns for chunk in turn["chunks"]):
        if chunk["type"] == "finish-step":
            steps += 1
            if recording.pauses_after(steps - 1):
                continue
        by_the_app = chunk.get("output") == OUTPUT and not chunk.get("providerExecuted")
        if chunk["type"] not in ("start", "start-step", "finish") and not by_the_app:
            made.append(chunk)
    made += [chunk for chunk in turns[-1]["chunks"] if chunk["type"] == "finish"]
    return made


def _lines(chunks: Chunks) -> list[str]:
    return [json.dumps(chunk, ensure_ascii=False, sort_keys=True) for chunk in chunks]


def test_the_page_lists_every_difference_and_no_other() -> None:
    table = PAGE.read_text().rpartition("| --- | --- |\n")[2]
    assert table == "".join(f"| {row.reference} | {row.reason} |\n" for row in DIFFERENCES)
