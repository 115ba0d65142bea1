"""The end of a run, as clients of each release read it."""

from __future__ import annotations

import pytest
from ui_message_stream.chunks import Chunk, Error, Finish, Start, TextDelta, TextStart
from ui_message_stream.state import StreamState
from ui_message_stream.versions import NEWEST_CLIENT_VERSION, ClientVersion
from ui_message_stream.writer import Writer
from usechat_server.errors import RESTARTING
from usechat_server.run_log.log import Log
from usechat_server.runs.outcome import INTERRUPTED

from tests.harness.asgi_host import chunks_of


def interrupted_log(error: str | None = None) -> Log:
    """The log of a run of the newest client that was interrupted inside a text."""
    writer, log = Writer(message_id="m", client_version=NEWEST_CLIENT_VERSION), Log()
    for chunk in (Start(message_id="m"), TextStart(id="0"), TextDelta(id="0", delta="Half")):
        log.append(writer.write(chunk))
    log.stage_end(INTERRUPTED.chunks(writer, NEWEST_CLIENT_VERSION))
    if error is not None:
        log.stage_error(error)
    log.end()
    return log


def read(log: Log, client_version: ClientVersion) -> list[Chunk]:
    reader, data = log.reader(client_version), b""
    while piece := reader.read_nowait():
        data += piece
    received = chunks_of(data)
    state = StreamState(client_version=client_version)
    for chunk in received:
        state.check(chunk)
    return received


@pytest.mark.parametrize("release", [(5, 0, 92), (6, 0, 326), (7, 0, 148)])
def test_an_older_tab_is_not_shown_half_a_response_as_a_whole_one(
    release: tuple[int, int, int],
) -> None:
    received = read(interrupted_log(), ClientVersion(*release))
    assert received[-1] == Error(error_text=RESTARTING)
    assert not any(isinstance(chunk, Finish) for chunk in received)


def test_a_tab_that_knows_the_reason_gets_it() -> None:
    received = read(interrupted_log(), NEWEST_CLIENT_VERSION)
    assert received[-1] == Finish(finish_reason="interrupted")
    assert not any(isinstance(chunk, Error) for chunk in received)


@pytest.mark.parametrize("release", [(5, 0, 92), (7, 0, 173)])
def test_an_error_replaces_both_forms_of_the_end(release: tuple[int, int, int]) -> None:
    received = read(interrupted_log("Not saved."), ClientVersion(*release))
    ends = [chunk for chunk in received if isinstance(chunk, Error | Finish)]
    assert ends == [Error(error_text="Not saved.")]
