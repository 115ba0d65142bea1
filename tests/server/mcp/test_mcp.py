"""The tools of real MCP servers, over stdio and streamable HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Literal, Unpack

import httpx
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Tool
from ui_message_stream.messages import FilePart, TextPart
from usechat_server.mcp import MCPOptions, MCPServer, mcp_http, mcp_stdio
from usechat_server.tools import FunctionTool, InvalidInput, ToolError, ToolSource

from tests.harness import mcp_legacy, mcp_server
from tests.harness.common import DEADLINE
from tests.harness.serving import serve
from tests.harness.tool_runner import TURN, ToolRunner

Kind = Literal["stdio", "http"]


def stdio(env: Mapping[str, str] | None = None, **options: Unpack[MCPOptions]) -> MCPServer:
    options = {"wait": DEADLINE, "timeout": DEADLINE, **options}
    return mcp_stdio(sys.executable, str(Path(mcp_server.__file__)), env=env, **options)


def legacy() -> MCPServer:
    return mcp_stdio(sys.executable, str(Path(mcp_legacy.__file__)), wait=DEADLINE)


@asynccontextmanager
async def running(kind: Kind, **options: Unpack[MCPOptions]) -> AsyncIterator[MCPServer]:
    """The tools of a server, which ends with the block."""
    if kind == "stdio":
        server = stdio(**options)
        try:
            yield server
        finally:
            await server.aclose()
        return
    with serve("tests.harness.mcp_server:app") as served:
        options = {"wait": DEADLINE, "timeout": DEADLINE, **options}
        server = mcp_http(f"{served.url}/mcp", **options)
        try:
            yield server
        finally:
            await server.aclose()


async def listed(server: MCPServer) -> dict[str, FunctionTool]:
    return {tool.name: tool for tool in await server.tools(TURN)}


async def until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await happened():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_server_from_its_first_tool_to_its_death(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(kind) as server:
        assert isinstance(server, ToolSource)
        await _lists_and_calls(server)
        await _changes(server)
        await _cancels(server)
        await _dies(kind, server, caplog)


async def _lists_and_calls(server: MCPServer) -> None:
    tools = await listed(server)
    echo = tools["echo"]
    assert (echo.title, echo.description, echo.dynamic) == ("Echo", "Says it again.", True)
    assert echo.idempotent
    assert echo.tool_metadata == {
        "annotations": {"readOnlyHint": True},
        "_meta": {"com.example/tier": "free"},
    }
    assert echo.input_schema["properties"]["text"]["type"] == "string"
    # A second turn has the list already.
    assert [*(await listed(server)).values()] == [*tools.values()]

    runner = ToolRunner()
    assert await runner.run(echo, text="héllo") == {
        "content": [{"type": "text", "text": "héllo"}],
        "structuredContent": {"result": "héllo"},
    }
    with pytest.raises(InvalidInput, match=r"text: 1 is not of type 'string'\."):
        echo.parse({"text": 1})
    with pytest.raises(InvalidInput, match="expected an object, got"):
        echo.parse([])

    # A dot is nothing for a provider.
    shown = await runner.run(tools["pictures_show"])
    assert [block["type"] for block in shown["content"]] == ["text", "image", "resource"]
    text, image, note = tools["pictures_show"].model_output(shown)
    assert isinstance(image, FilePart)
    assert image.media_type == "image/png"
    assert image.url.startswith("data:image/png;base64,iVBOR")
    assert [text, note] == [TextPart(text="A pixel:"), TextPart(text="A note.")]

    with pytest.raises(ToolError, match=r"The printer is on fire\."):
        await runner.run(tools["fail"])
    assert not runner.data
    await runner.run(tools["work"])
    [progress] = runner.data
    assert progress.to_object() == {
        "type": "data-tool-progress",
        "data": {"toolCallId": "call-1", "progress": 1, "total": 2, "message": "half of it"},
        "transient": True,
    }
    assert await runner.run(tools["structured"]) == {
        "content": [],
        "structuredContent": {"fine": 1},
    }
    assert tools["structured"].model_output({"content": [], "structuredContent": {"fine": 1}}) == [
        TextPart(text='{"fine":1}')
    ]


async def _changes(server: MCPServer) -> None:
    """The list changes in the middle of a turn."""
    tools = await listed(server)
    assert "grown" not in tools
    await ToolRunner().run(tools["grow"])

    async def has_grown() -> bool:
        return "grown" in await listed(server)

    await until(has_grown)
    assert (await ToolRunner().run((await listed(server))["grown"]))["content"][0][
        "text"
    ] == "grown"
    # What a step knew before still works.
    await ToolRunner().run(tools["echo"], text="still here")


async def _cancels(server: MCPServer) -> None:
    """A call that nobody waits for is cancelled at the server."""
    tools = await listed(server)

    def in_state(key: str) -> Callable[[], Awaitable[bool]]:
        async def told() -> bool:
            state = await ToolRunner().run(tools["state"])
            return "walk" in state["structuredContent"][key]

        return told

    task = asyncio.create_task(ToolRunner().run(tools["hang"], name="walk"))
    await until(in_state("waiting"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await until(in_state("cancelled"))


async def _dies(kind: Kind, server: MCPServer, caplog: pytest.LogCaptureFixture) -> None:
    """The process ends inside a call: that one and those beside it fail, readably."""
    tools = await listed(server)
    beside = asyncio.create_task(ToolRunner().run(tools["hang"], name="beside"))
    with pytest.raises(ToolError):
        await asyncio.wait_for(ToolRunner().run(tools["die"]), DEADLINE)
    with pytest.raises(ToolError):
        await asyncio.wait_for(beside, DEADLINE)
    if kind == "stdio":
        # It is started again, by the next turn or a call of a tool that a step knew before.
        shown = await ToolRunner().run(tools["echo"], text="again")
        assert shown["content"][0]["text"] == "again"
        assert "echo" in await listed(server)
    else:

        async def is_gone() -> bool:
            return not await listed(server)

        await until(is_gone)
        with pytest.raises(ToolError, match=r"The MCP server .* is unavailable\."):
            await ToolRunner().run(tools["echo"], text="again")
        assert "running the turn without its tools" in caplog.text


async def test_a_server_that_is_slow_or_missing_does_not_keep_a_turn_waiting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begins = tmp_path / "begins"
    slow = stdio({"MCP_STARTS_WITH": str(begins)}, wait=0.05)
    missing = mcp_stdio(str(tmp_path / "no-such-command"), wait=DEADLINE)
    try:
        assert await slow.tools(TURN) == ()
        assert await missing.tools(TURN) == ()
        assert "MCP server no-such-command unavailable" in caplog.text
        # It goes on without the turn, so that a later one has it.
        begins.touch()

        async def is_there() -> bool:
            return bool(await slow.tools(TURN))

        await until(is_there)
    finally:
        await slow.aclose()
        await missing.aclose()


async def test_a_server_that_never_answers_is_ended_with_the_app(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    server = mcp_stdio("sh", "-c", f"echo $$ > {pid}; exec sleep 1000", wait=0.01)

    async def has_begun() -> bool:
        await server.tools(TURN)
        return pid.exists() and bool(pid.read_text())

    await until(has_begun)
    await asyncio.wait_for(server.aclose(), DEADLINE)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_the_process_ends_with_the_app_and_comes_back_when_it_is_needed() -> None:
    server = legacy()
    await ToolRunner().run((await listed(server))["grow"])
    assert [*await listed(server)] == ["grow", "tool1"]
    await server.aclose()
    await server.aclose()
    # Another process, which knows nothing of the first.
    assert [*await listed(server)] == ["grow"]
    await server.aclose()


async def test_an_http_server_that_went_away_is_found_again() -> None:
    urls: list[str] = []
    server = MCPServer("moving", lambda: streamable_http_client(urls[-1]), wait=DEADLINE)
    try:
        with serve("tests.harness.mcp_server:app") as served:
            urls.append(f"{served.url}/mcp")
            echo = (await listed(server))["echo"]
            served.process.kill()
        with serve("tests.harness.mcp_server:app") as served:
            urls.append(f"{served.url}/mcp")

            async def is_back() -> bool:
                return "echo" in await listed(server)

            await until(is_back)
            # (Maybe it is noticed only now.)
            shown = await ToolRunner().run(echo, text="hi")
            assert shown["structuredContent"] == {"result": "hi"}
            served.process.kill()
    finally:
        await server.aclose()


async def test_a_server_with_sessions_forgets_them() -> None:
    with serve("tests.harness.mcp_legacy:app") as served:
        server = mcp_http(f"{served.url}/mcp", wait=DEADLINE)
        grow = (await listed(server))["grow"]
        await ToolRunner().run(grow)
        async with httpx.AsyncClient() as client:
            await client.post(f"{served.url}/mcp", json={"method": "restart"})
        # The call was not run yet, so that it can be run in a new session.
        shown = await ToolRunner().run(grow)
        assert shown == {"content": [{"type": "text", "text": "grow was called"}]}
        assert [*await listed(server)] == ["grow", "tool1"]
        await server.aclose()


async def test_a_server_that_tells_changes_by_itself_is_heard() -> None:
    server = legacy()
    try:
        grow = (await listed(server))["grow"]
        for count in (1, 2):
            await ToolRunner().run(grow)
            # The news came before the call's answer, so that the next step has it.
            assert len(await listed(server)) == count + 1
    finally:
        await server.aclose()


async def test_each_event_loop_has_a_connection_of_its_own() -> None:
    server = legacy()

    async def used() -> list[str]:
        try:
            tools = await listed(server)
            await ToolRunner().run(tools["grow"])
            return sorted(tools)
        finally:
            await server.aclose()

    there = await used()
    assert there == await asyncio.to_thread(asyncio.run, used()) == ["grow"]


async def test_the_app_says_which_tools_it_wants_and_on_what_terms() -> None:
    def reads(tool: Tool) -> bool:
        return bool(tool.annotations and tool.annotations.read_only_hint)

    def asks(tool: Tool) -> Any:
        return not reads(tool)

    async with running(
        "stdio",
        prefix="tests_",
        only=lambda tool: tool.name in ("echo", "add"),
        needs_approval=asks,
        timeout=5,
    ) as server:
        tools = await listed(server)
        assert {name: tool.needs_approval for name, tool in tools.items()} == {
            "tests_echo": False,
            "tests_add": True,
        }
        assert {tool.timeout for tool in tools.values()} == {5}
        shown = await ToolRunner().run(tools["tests_add"], a=1, b=2)
        assert shown["structuredContent"] == {"sum": 3}


async def test_secrets_of_a_server_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "usechat")
    url = "http://127.0.0.1:9/mcp?key=SECRET"
    server = mcp_http(url, headers={"authorization": "Bearer SECRET"}, wait=DEADLINE)
    assert await server.tools(TURN) == ()
    await server.aclose()
    assert "SECRET" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("usechat")
    )
