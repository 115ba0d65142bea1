"""Turns that are refused before they begin."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from anthropic import AsyncAnthropic
from usechat_server import Agent, NextStep, Turn, create_app
from usechat_server.tools import Tool

from tests.harness.live import LiveServer, user

HEIC = base64.b64encode(b"\x00\x00\x00\x18ftypheic").decode()
PHOTO = {"type": "file", "mediaType": "image/heic", "url": f"data:image/heic;base64,{HEIC}"}


class Source:
    """A source without tools."""

    may_require_approval = False

    async def tools(self, turn: Turn) -> Sequence[Tool]:
        return []

    async def aclose(self) -> None:
        pass


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"system": lambda turn: "Be brief."}, id="a system function"),
        pytest.param({"on_step": lambda turn, steps: NextStep()}, id="on_step"),
        pytest.param({"tools": [Source()]}, id="a source of tools"),
    ],
)
@pytest.mark.parametrize("is_hook", [False, True])
def test_a_file_that_the_model_cannot_read_is_refused_before_anything_is_stored(
    tmp_path: Path, options: Any, *, is_hook: bool
) -> None:
    agent = Agent("claude-sonnet-5-5", client=AsyncAnthropic(api_key="unused"), **options)
    app = create_app(
        agent=(lambda _: agent) if is_hook else agent, store=f"sqlite:///{tmp_path}/c.db"
    )
    with LiveServer(app) as server:
        response = server.chat({**user("Look"), "parts": [PHOTO]})
        assert response.status_code == 400
        assert "image/heic" in response.text
        assert server.request("GET", "/api/chat/c1").status_code == 404
