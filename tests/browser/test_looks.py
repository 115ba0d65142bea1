"""How the page looks, at both widths and in both themes, and that everybody can use it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.harness.serving import Served

OUTPUT = Path(__file__).parents[1] / "output" / "browser"
WEB_DEMO = Path(__file__).parents[2] / "web-demo"
AXE = WEB_DEMO / "node_modules" / "axe-core" / "axe.min.js"

_SERIOUS = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
            `${id}: ${html.slice(0, 200)} ${failureSummary}`));
}"""


@pytest.fixture(scope="module")
def server(quick: Served) -> Served:
    return quick


class Photographer:
    """Takes a picture of each state, which must fit the screen and be for everybody."""

    def __init__(self, chat: ChatPage, width: int, scheme: str) -> None:
        # Both themes and both widths, not each with each: a check takes a second.
        self._checks = (width < 600) == (scheme == "dark")
        self.chat = chat
        self._width = width
        self._scheme = scheme
        self._count = 0

    def shoot(self, name: str) -> None:
        page = self.chat.page
        self._count += 1
        page.screenshot(path=OUTPUT / f"{self._width}-{self._scheme}-{self._count:02}-{name}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= self._width, name
        if self._checks:
            assert page.evaluate(_SERIOUS) == [], name


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        (1280, 800, "light"),
        (1280, 800, "dark"),
        (390, 844, "light"),
        (390, 844, "dark"),
    ],
)
def test_every_state_fits_the_screen_and_is_for_everybody(
    browser: Browser,
    server: Served,
    width: int,
    height: int,
    scheme: Literal["light", "dark"],
) -> None:
    if not AXE.is_file():
        pytest.skip("needs axe-core: make page")
    phone = width < 600
    with ChatPage.open(
        browser,
        server.url,
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        has_touch=phone,
        is_mobile=phone,
        reduced_motion="reduce",
        # Else the page's own policy keeps the checker out.
        bypass_csp=True,
    ) as chat:
        chat.page.add_script_tag(path=AXE)
        shoot = Photographer(chat, width, scheme).shoot
        shoot("empty")
        chat.ask("Compare the weather in Lisbon, Oslo and Atlantis")
        expect(chat.card("weather")).to_have_count(3)
        shoot("tools")
        chat.wait()
        chat.ask("Send a postcard to Ada")
        expect(chat.button("Approve")).to_be_visible()
        chat.wait()
        shoot("approval")
        chat.button("Approve").click()
        expect(chat.text).to_contain_text("on its way")
        chat.ask("Show me code, maths and a table")
        expect(chat.answers.last.locator(".reasoning-text")).to_contain_text("They want")
        shoot("thinking")
        chat.wait()
        shoot("markdown")
        # The end of what came is in view, without anybody's scrolling.
        expect(chat.text.get_by_text("describes every chunk")).to_be_in_viewport()
        chat.ask("Look up the history of tea")
        expect(chat.page.get_by_role("navigation", name="Sources")).to_be_visible()
        chat.wait()
        shoot("sources")
        chat.ask("Show me an error")
        expect(chat.alert).to_be_in_viewport()
        shoot("error")
        chat.button("Stream inspector").click()
        chat.page.get_by_role("region", name="Frames").get_by_role("button").last.click()
        shoot("wire")
        chat.button("Stream inspector").click()
        if phone:
            chat.button("Chats").click()
            expect(chat.chats.first).to_be_visible()
            shoot("list")
        chat.healthy()
