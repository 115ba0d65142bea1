"""The assets of the demo page: their size, where they are loaded from, and the wheel."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import Browser, Response, expect

from tests.browser.demo_server import INDEX_HTML
from tests.harness.serving import ServerProcess

ROOT = Path(__file__).parents[2]
#: Maximum size of the first load in bytes, gzipped. Half of it is React, a third the AI SDK.
MAX_FIRST_LOAD = 145_000
#: Maximum size of what is loaded when the browser is idle: the Markdown parser.
MAX_IDLE_LOAD = 62_000


def test_first_load_is_small_and_the_markdown_parser_is_loaded_when_idle(
    browser: Browser, server: ServerProcess
) -> None:
    sizes: dict[str, int] = {}

    def record_size(response: Response) -> None:
        name = response.url.removeprefix(server.url)
        if response.headers.get("content-encoding") in ("gzip", "br"):
            sizes[name] = (INDEX_HTML.parent / f"{name[1:]}.gz").stat().st_size
        else:
            sizes[name] = len(response.body())

    with browser.new_context() as context:
        page = context.new_page()
        page.on("response", record_size)
        # Hold idle callbacks back, to tell their requests from those of the first load.
        page.add_init_script("delete window.requestIdleCallback; window.idleCallbacks = []")
        page.add_init_script(
            "const original = setTimeout; window.setTimeout = (...args) => "
            "args[1] === undefined ? (window.idleCallbacks.push(args[0]), 0) : original(...args)"
        )
        page.goto(server.url)
        expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        first_load = dict(sizes)
        with page.expect_response(re.compile("/Markdown-")) as markdown:
            page.evaluate("window.idleCallbacks.forEach(callback => callback())")
        markdown.value.finished()

    print(f"first load: {sum(first_load.values())} bytes: {first_load}")
    assert "/" in first_load
    assert sum(first_load.values()) < MAX_FIRST_LOAD
    idle_load = {name: size for name, size in sizes.items() if name not in first_load}
    assert [re.sub(r"-.*", "", Path(name).name) for name in idle_load] == ["Markdown"]
    assert sum(idle_load.values()) < MAX_IDLE_LOAD


def test_no_asset_is_loaded_from_another_host() -> None:
    for file in INDEX_HTML.parent.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", file.read_text()), file.name
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", INDEX_HTML.read_text())
