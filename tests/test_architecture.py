"""Imports go one way, and what a user imports brings only what it needs."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROTOCOL = ROOT / "protocol" / "ui_message_stream"
SERVER = ROOT / "server" / "usechat_server"

#: Lowest first: a module imports only from its own layer's package or from layers below.
LAYERS = [
    {"errors", "results", "message_metadata", "aio", "media", "settings", "turn", "client_version"},
    {"telemetry"},
    {"tools"},
    {"run_log"},
    {"compose"},
    {"providers"},
    {"mcp", "approvals"},
    {"request_limits"},
    {"chat_request", "client_history", "trust"},
    {"coordination"},
    {"loop"},
    {"store"},
    {"agent", "anthropic", "openai"},
    {"runs"},
    {"doors"},
    {"http"},
    {"serving"},
    {"demo", "app"},
    {"conformance"},
    {"cli"},
]


def imported(path: Path) -> Iterator[str]:
    """Absolute names of the modules that a file imports, also inside functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def layer(module: str) -> int:
    for index, names in enumerate(LAYERS):
        if module in names:
            return index
    raise AssertionError(f"usechat_server.{module} is in no layer: give it a place in LAYERS")


def test_the_protocol_knows_no_server_and_no_provider() -> None:
    allowed = sys.stdlib_module_names | {"msgspec", "pydantic", "ui_message_stream"}
    for path in PROTOCOL.rglob("*.py"):
        foreign = {name for name in imported(path) if name.split(".")[0] not in allowed}
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_the_protocol_opens_no_socket() -> None:
    io = {"socket", "asyncio", "ssl", "http", "urllib", "selectors", "subprocess"}
    for path in PROTOCOL.rglob("*.py"):
        used = {name.split(".")[0] for name in imported(path)} & io
        assert not used, f"{path.relative_to(ROOT)} imports {used}"


def test_server_imports_go_one_way() -> None:
    wrong = []
    for path in SERVER.rglob("*.py"):
        parts = path.relative_to(SERVER).with_suffix("").parts
        if parts in {("__init__",), ("__main__",)}:
            continue
        own = layer(parts[0])
        for name in imported(path):
            if name.startswith("usechat_server."):
                other = layer(name.split(".")[1])
                if other > own:
                    wrong.append(f"{'/'.join(parts)} imports {name}")
    assert not wrong


@pytest.mark.parametrize(
    ("statement", "unwanted"),
    [
        ("import ui_message_stream", ["starlette", "pydantic", "anthropic", "usechat_server"]),
        ("from usechat_server import UIMessageStreamResponse", ["anthropic", "sqlalchemy"]),
        ("from usechat_server import Agent, create_app", ["anthropic", "sqlalchemy"]),
        ("import usechat_server.store", ["anthropic", "sqlalchemy"]),
        ("import usechat_server.conformance", ["anthropic", "sqlalchemy"]),
    ],
)
def test_importing_a_part_brings_no_more_than_it_needs(statement: str, unwanted: list[str]) -> None:
    code = f"{statement}; import sys; print(*sys.modules)"
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not set(result.stdout.split()) & set(unwanted)
