"""Model calls that fail in the middle: nobody sees half an answer twice, and no tool runs again."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator

import pytest
from ui_message_stream.chunks import Chunk, Error, Finish, ResetStep, TextDelta, TextStart
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.versions import DEFAULT_CLIENT_VERSION, NEWEST_CLIENT_VERSION, ClientVersion
from usechat_server.agent import Agent
from usechat_server.errors import ModelError
from usechat_server.providers.base import StepResult
from usechat_server.tools import tool

from tests.harness.asgi_host import LONG, AsgiHost
from tests.harness.scripted_model import ScriptedModel, ScriptEvent
from tests.harness.turns import Scene, ask, call, text, tool_part

CALLS, DONE = StepResult("tool-calls"), StepResult("stop")
SPOKEN: list[ScriptEvent] = [text(), DONE]
HALF: list[Chunk] = [TextStart(id="0"), TextDelta(id="0", delta="Do")]
WHOLE = UIMessage(
    id="m", role="assistant", parts=[StepStartPart(), TextPart(text="Done.", state="done")]
)


def cut() -> ModelError:
    return ModelError("EOF", "truncated", retryable=True)


async def seen(host: AsgiHost) -> None:
    await host.until(lambda body: b'"Do"' in body)


class Broken:
    """An answer whose first call breaks off in the middle of a text, when the test says so."""

    def __init__(self, *then: Iterable[ScriptEvent]) -> None:
        self.breaks = asyncio.Event()
        self.model = ScriptedModel([HALF, self.breaks, cut()], *(then or (SPOKEN,)))
        self.scene = Scene(Agent(self.model, metadata=None), resume=LONG)

    async def read_by(self, *client_versions: ClientVersion) -> list[AsgiHost]:
        """Readers that got the half; the first is the one that asked."""
        await self.scene.begin(ask(client_versions[0]))
        hosts = [self.scene.host(client_version) for client_version in client_versions]
        self.responder = [host.request() for host in hosts]
        for host in hosts:
            await seen(host)
        return hosts

    async def end(self) -> None:
        self.breaks.set()
        await asyncio.wait_for(asyncio.gather(*self.responder), LONG)
        await self.scene.settled()


async def test_a_page_that_can_forget_is_told_to() -> None:
    broken = Broken()
    [host] = await broken.read_by(NEWEST_CLIENT_VERSION)
    await broken.end()
    assert [chunk.type for chunk in host.chunks].count("start-step") == 1
    assert ResetStep() in host.chunks
    assert reduce(host.chunks) == WHOLE
    assert host.chunks[-1] == Finish(finish_reason="stop")
    assert len(broken.model.calls) == 2


@pytest.mark.parametrize(
    "client_versions", [(DEFAULT_CLIENT_VERSION,), (NEWEST_CLIENT_VERSION, ClientVersion(6))]
)
async def test_nothing_is_taken_back_if_one_page_cannot_forget(
    client_versions: tuple[ClientVersion, ...],
) -> None:
    broken = Broken()
    hosts = await broken.read_by(*client_versions)
    await broken.end()
    for host in hosts:
        assert isinstance(host.chunks[-1], Error)
        assert reduce(host.chunks).parts[-1] == TextPart(text="Do", state="done")
    assert len(broken.model.calls) == 1
    assert broken.scene.answers[0].outcome == "failed"


async def test_what_no_page_was_sent_is_simply_said_again() -> None:
    began_again = asyncio.Event()

    def again() -> Iterator[ScriptEvent]:
        began_again.set()
        yield from SPOKEN

    broken = Broken(again())
    await broken.scene.begin(ask(DEFAULT_CLIENT_VERSION))
    host = broken.scene.host(DEFAULT_CLIENT_VERSION)
    host.reading.clear()
    broken.responder = [host.request()]
    broken.breaks.set()
    await asyncio.wait_for(began_again.wait(), LONG)
    host.reading.set()
    await broken.end()
    assert reduce(host.chunks) == WHOLE
    assert b'"Do"' not in host.body


async def test_a_page_that_comes_back_later_sees_only_what_counts() -> None:
    broken = Broken()
    [host] = await broken.read_by(NEWEST_CLIENT_VERSION)
    again = broken.scene.opened.log.reader(DEFAULT_CLIENT_VERSION, from_start=True)
    await broken.end()
    data = b""
    while (piece := await again.read()) is not None:
        data += piece
    assert b'"Do"' not in data
    assert b"reset-step" not in data
    assert broken.scene.opened.log.message() == WHOLE
    assert host.complete


async def test_a_step_that_fails_does_not_repeat_the_tools_of_the_one_before() -> None:
    ran = []

    @tool
    async def note() -> str:
        """Notes that it ran."""
        ran.append(1)
        return "noted"

    model = ScriptedModel([call("a", "note"), CALLS], [HALF, *[0.0] * 100, cut()], SPOKEN)
    answer = await Scene(Agent(model, tools=[note])).answer(ask(NEWEST_CLIENT_VERSION))
    assert ran == [1]
    message = reduce(answer)
    assert tool_part(message, "a").output == "noted"
    assert message.parts[-1] == TextPart(text="Done.", state="done")
    # The second try is asked what the first was.
    assert model.calls[1].messages == model.calls[2].messages


async def test_calls_of_a_try_that_failed_are_not_run() -> None:
    ran = []

    @tool
    async def note(what: str) -> None:
        """Notes that it ran."""
        ran.append(what)

    model = ScriptedModel(
        [call("a", "note", what="first"), *[0.0] * 100, cut()],
        [call("a", "note", what="second"), CALLS],
        SPOKEN,
    )
    answer = await Scene(Agent(model, tools=[note])).answer(ask(NEWEST_CLIENT_VERSION))
    assert ran == ["second"]
    assert tool_part(reduce(answer), "a").input == {"what": "second"}


async def test_another_model_stands_in_and_stays() -> None:
    busy = ModelError("529", "overloaded", retryable=True)
    first = ScriptedModel([busy])
    second = ScriptedModel([ModelError("401", "auth")])
    third = ScriptedModel([call("a", "note"), CALLS], SPOKEN)

    @tool
    async def note() -> None:
        """Does nothing."""

    scene = Scene(Agent(first, fallback=[second, third], tools=[note]))
    answer = await scene.answer(ask())
    assert answer[-1] == Finish(finish_reason="stop")
    asked = [len(model.calls) for model in (first, second, third)]
    assert asked == [3, 1, 2]
    assert not any(isinstance(chunk, Error) for chunk in answer)


async def test_a_model_that_broke_off_is_replaced_only_where_nobody_loses() -> None:
    for client_version, last in ((NEWEST_CLIENT_VERSION, Finish), (DEFAULT_CLIENT_VERSION, Error)):
        broken = ScriptedModel([HALF, *[0.0] * 100, ModelError("EOF", "truncated")])
        other = ScriptedModel(SPOKEN)
        answer = await Scene(Agent(broken, fallback=[other])).answer(ask(client_version))
        assert isinstance(answer[-1], last)
        assert len(other.calls) == (last is Finish)


async def test_the_last_failure_is_the_answers() -> None:
    models = [ScriptedModel([ModelError(f"{number}", "overloaded")]) for number in range(2)]
    scene = Scene(Agent(models[0], fallback=models[1:]))
    answer = await scene.answer(ask())
    assert isinstance(answer[-1], Error)
    assert "overloaded" in answer[-1].error_text
