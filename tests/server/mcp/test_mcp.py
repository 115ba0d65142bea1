"""The tools of real MCP servers, over stdio and streamable HTTP."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, Unpack
from unittest import mock

import httpx
import pytest
from mcp.client.streamable_http import streamable_http_client
from mcp.types import Tool
from ui_message_stream.messages import FilePart, TextPart
from usechat_server.mcp import MCPOptions, MCPServer, connections, mcp_http, mcp_stdio
from usechat_server.tools import FunctionTool, InvalidInput, ToolError, ToolSource
from usechat_server.turn import Turn

from tests.harness import mcp_legacy, mcp_server
from tests.harness.common import DEADLINE
from tests.harness.serving import serve
from tests.harness.tool_runner import TURN, ToolRunner

Kind = Literal["stdio", "http"]


def stdio(env: Mapping[str, str] | None = None, **options: Unpack[MCPOptions]) -> MCPServer:
    options = {"wait": DEADLINE, "timeout": DEADLINE, **options}
    return mcp_stdio(sys.executable, str(Path(mcp_server.__file__)), env=env, **options)


def legacy(*tools: Mapping[str, Any], **options: Unpack[MCPOptions]) -> MCPServer:
    env = {"MCP_TOOLS": json.dumps(tools)}
    options = {"wait": DEADLINE, **options}
    return mcp_stdio(sys.executable, str(Path(mcp_legacy.__file__)), env=env, **options)


@asynccontextmanager
async def open_server(kind: Kind, **options: Unpack[MCPOptions]) -> AsyncIterator[MCPServer]:
    """Start a server and yield its tools, until the block ends."""
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


async def list_tools(server: MCPServer) -> dict[str, FunctionTool]:
    return {tool.name: tool for tool in await server.tools(TURN)}


async def wait_until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE):
        while not await condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("kind", ["stdio", "http"])
async def test_a_server_lists_calls_changes_and_dies(
    kind: Kind, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_server(kind) as server:
        assert isinstance(server, ToolSource)
        await _lists_and_calls(server)
        await _changes(server)
        await _cancels(server)
        await _dies(kind, server, caplog)


async def _lists_and_calls(server: MCPServer) -> None:
    tools = await list_tools(server)
    echo = tools["echo"]
    assert (echo.title, echo.description, echo.dynamic) == ("Echo", "Says it again.", True)
    assert echo.idempotent
    assert echo.tool_metadata == {
        "annotations": {"readOnlyHint": True},
        "_meta": {"com.example/tier": "free"},
    }
    assert echo.input_schema["properties"]["text"]["type"] == "string"
    # A second turn has the list already.
    assert [*(await list_tools(server)).values()] == [*tools.values()]

    runner = ToolRunner()
    assert await runner.run(echo, text="héllo") == {
        "content": [{"type": "text", "text": "héllo"}],
        "structuredContent": {"result": "héllo"},
    }
    with pytest.raises(InvalidInput, match=r"text: 1 is not of type 'string'\."):
        echo.parse({"text": 1})
    with pytest.raises(InvalidInput, match="expected an object, got"):
        echo.parse([])

    # Providers do not accept the dot in its name.
    output = await runner.run(tools["pictures_show"])
    assert [block["type"] for block in output["content"]] == ["text", "image", "resource"]
    text, image, note = tools["pictures_show"].model_output(output)
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
    tools = await list_tools(server)
    assert "grown" not in tools
    await ToolRunner().run(tools["grow"])

    async def has_grown() -> bool:
        return "grown" in await list_tools(server)

    await wait_until(has_grown)
    assert (await ToolRunner().run((await list_tools(server))["grown"]))["content"][0][
        "text"
    ] == "grown"
    # Tools of the earlier list still work.
    await ToolRunner().run(tools["echo"], text="still here")


async def _cancels(server: MCPServer) -> None:
    """A cancelled call is cancelled on the server."""
    tools = await list_tools(server)

    def in_state(key: str) -> Callable[[], Awaitable[bool]]:
        async def is_listed() -> bool:
            state = await ToolRunner().run(tools["state"])
            return "walk" in state["structuredContent"][key]

        return is_listed

    task = asyncio.create_task(ToolRunner().run(tools["hang"], name="walk"))
    await wait_until(in_state("waiting"))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await wait_until(in_state("cancelled"))


async def _dies(kind: Kind, server: MCPServer, caplog: pytest.LogCaptureFixture) -> None:
    """The process ends inside a call: that one and those beside it fail, readably."""
    tools = await list_tools(server)
    beside = asyncio.create_task(ToolRunner().run(tools["hang"], name="beside"))
    with pytest.raises(ToolError):
        await asyncio.wait_for(ToolRunner().run(tools["die"]), DEADLINE)
    with pytest.raises(ToolError):
        await asyncio.wait_for(beside, DEADLINE)
    if kind == "stdio":
        # It is started again by the next turn, or by a call of a tool of the earlier list.
        output = await ToolRunner().run(tools["echo"], text="again")
        assert output["content"][0]["text"] == "again"
        assert "echo" in await list_tools(server)
    else:

        async def is_gone() -> bool:
            return not await list_tools(server)

        await wait_until(is_gone)
        with pytest.raises(ToolError, match=r"The MCP server .* is unavailable\."):
            await ToolRunner().run(tools["echo"], text="again")
        assert "running the turn without its tools" in caplog.text


async def test_a_turn_does_not_wait_for_a_slow_or_missing_server(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    begins = tmp_path / "begins"
    slow = stdio({"MCP_STARTS_WITH": str(begins)}, wait=0.05)
    missing = mcp_stdio(str(tmp_path / "no-such-command"), wait=DEADLINE)
    try:
        assert await slow.tools(TURN) == ()
        assert await missing.tools(TURN) == ()
        assert "MCP server no-such-command unavailable" in caplog.text
        # Connecting goes on, so that a later turn has the tools.
        begins.touch()

        async def is_there() -> bool:
            return bool(await slow.tools(TURN))

        await wait_until(is_there)
    finally:
        await slow.aclose()
        await missing.aclose()


async def test_a_server_that_never_responds_is_closed(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    server = mcp_stdio("sh", "-c", f"echo $$ > {pid}; exec sleep 1000", wait=0.01)

    async def has_begun() -> bool:
        await server.tools(TURN)
        return pid.exists() and bool(pid.read_text())

    await wait_until(has_begun)
    await asyncio.wait_for(server.aclose(), DEADLINE)
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


async def test_a_closed_server_is_started_again() -> None:
    server = legacy()
    await ToolRunner().run((await list_tools(server))["grow"])
    assert [*await list_tools(server)] == ["grow", "tool1"]
    await server.aclose()
    await server.aclose()
    # Another process, which knows nothing of the first.
    assert [*await list_tools(server)] == ["grow"]
    await server.aclose()


async def test_an_http_server_is_reconnected() -> None:
    urls: list[str] = []
    server = MCPServer("moving", lambda _: streamable_http_client(urls[-1]), wait=DEADLINE)
    try:
        with serve("tests.harness.mcp_server:app") as served:
            urls.append(f"{served.url}/mcp")
            echo = (await list_tools(server))["echo"]
            served.process.kill()
        with serve("tests.harness.mcp_server:app") as served:
            urls.append(f"{served.url}/mcp")

            async def is_back() -> bool:
                return "echo" in await list_tools(server)

            await wait_until(is_back)
            # The lost connection may be noticed only now.
            output = await ToolRunner().run(echo, text="hi")
            assert output["structuredContent"] == {"result": "hi"}
            served.process.kill()
    finally:
        await server.aclose()


async def test_a_lost_session_is_opened_again() -> None:
    with serve("tests.harness.mcp_legacy:app") as served:
        server = mcp_http(f"{served.url}/mcp", wait=DEADLINE)
        grow = (await list_tools(server))["grow"]
        await ToolRunner().run(grow)
        async with httpx.AsyncClient() as client:
            await client.post(f"{served.url}/mcp", json={"method": "restart"})
        # The call was not run yet, so that it can be run in a new session.
        output = await ToolRunner().run(grow)
        assert output == {"content": [{"type": "text", "text": "grow was called"}]}
        assert [*await list_tools(server)] == ["grow", "tool1"]
        await server.aclose()


async def test_list_changed_notifications_are_handled() -> None:
    server = legacy()
    try:
        grow = (await list_tools(server))["grow"]
        for count in (1, 2):
            await ToolRunner().run(grow)
            # The notification came before the call's result, so the next step has the new list.
            assert len(await list_tools(server)) == count + 1
    finally:
        await server.aclose()


async def test_each_event_loop_has_a_connection_of_its_own() -> None:
    server = legacy()

    async def use() -> list[str]:
        try:
            tools = await list_tools(server)
            await ToolRunner().run(tools["grow"])
            return sorted(tools)
        finally:
            await server.aclose()

    tools = await use()
    assert tools == await asyncio.to_thread(asyncio.run, use()) == ["grow"]


def n_is(schema: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": {"n": schema}, "required": ["n"]}


TYPED = n_is({"type": "integer"})
TEXT = {"content": [{"type": "text", "text": "so"}]}


@pytest.mark.parametrize(
    ("output_schema", "result", "expected"),
    [
        # Whatever was promised, what came is shown.
        (TYPED, TEXT, TEXT),
        (TYPED, {**TEXT, "structuredContent": {"n": "one"}}, None),
        (n_is({"type": "nonsense"}), {**TEXT, "structuredContent": {"n": 1}}, None),
        (n_is({"$ref": "https://a.example"}), {**TEXT, "structuredContent": {"n": 1}}, None),
        (n_is({"pattern": "^(a+)+$"}), {**TEXT, "structuredContent": {"n": f"{'a' * 40}!"}}, None),
        (TYPED, {"content": "so"}, "sent a result that cannot be used"),
        (TYPED, {"content": [{"type": "smell"}]}, "sent a result that cannot be used"),
        (TYPED, {"content": [], "isError": True}, "The tool failed."),
    ],
)
async def test_any_result_is_shown_or_explained(
    output_schema: Any, result: Any, expected: Any, caplog: pytest.LogCaptureFixture
) -> None:
    tool = {"name": "odd", "inputSchema": {"type": "object"}, "outputSchema": output_schema}
    server = legacy({**tool, "result": result})
    try:
        odd = (await list_tools(server))["odd"]
        if isinstance(expected, str):
            with pytest.raises(ToolError, match=expected):
                await ToolRunner().run(odd)
        else:
            assert await ToolRunner().run(odd) == expected or result
    finally:
        await server.aclose()
    assert all(
        record.exc_info is None and "\n" not in record.getMessage()
        for record in caplog.records
        if record.name.startswith("usechat")
    )


async def test_a_turn_may_have_headers_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "usechat")

    async def headers(turn: Turn) -> dict[str, str]:
        if turn.user is None:
            raise LookupError("no user")
        return {"x-user": turn.user}

    async def seen_user(user: str | None) -> Any:
        turn = replace(TURN, user=user)
        tools = {tool.name: tool for tool in await server.tools(turn)}
        runner = ToolRunner(turn)
        return tools and (await runner.run(tools["grow"]))["_meta"]["user"]

    with (
        serve("tests.harness.mcp_legacy:app") as served,
        mock.patch.object(connections, "_MAX_CONNECTIONS", 2),
    ):
        server = mcp_http(f"{served.url}/mcp", headers=headers, wait=DEADLINE)
        assert await asyncio.gather(*map(seen_user, ["ann", "bo", "cy", "ann"])) == [
            *("ann", "bo", "cy", "ann")
        ]
        assert [await seen_user(user) for user in ("bo", "ann", "dee")] == ["bo", "ann", "dee"]
        # Without headers there is no connection, least of all another user's.
        assert await seen_user(None) == {}
        assert await seen_user("two\nlines SECRET") == {}
        await server.aclose()
    assert "SECRET" not in caplog.text
    assert "no user" in caplog.text


async def test_options_filter_and_configure_the_tools() -> None:
    def reads(tool: Tool) -> bool:
        return bool(tool.annotations and tool.annotations.read_only_hint)

    def policy(tool: Tool) -> Any:
        return not reads(tool)

    async with open_server(
        "stdio",
        prefix="tests_",
        only=lambda tool: tool.name in ("echo", "add"),
        needs_approval=policy,
        timeout=5,
    ) as server:
        tools = await list_tools(server)
        assert {name: tool.needs_approval for name, tool in tools.items()} == {
            "tests_echo": False,
            "tests_add": True,
        }
        assert {tool.timeout for tool in tools.values()} == {5}
        output = await ToolRunner().run(tools["tests_add"], a=1, b=2)
        assert output["structuredContent"] == {"sum": 3}


async def test_secrets_of_a_server_are_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "usechat")
    url = "http://127.0.0.1:9/mcp?key=SECRET"
    server = mcp_http(url, headers={"authorization": "Bearer SECRET"}, wait=DEADLINE)
    assert await server.tools(TURN) == ()
    await server.aclose()
    assert "SECRET" not in "".join(
        record.getMessage() for record in caplog.records if record.name.startswith("usechat")
    )
