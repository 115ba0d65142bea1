"""Layout and accessibility of the demo page on desktop and phone, in both themes."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.harness.serving import ServerProcess

OUTPUT = Path(__file__).parents[1] / "output" / "browser"
WEB_DEMO = Path(__file__).parents[2] / "web-demo"
AXE_SCRIPT = WEB_DEMO / "node_modules" / "axe-core" / "axe.min.js"

_FIND_VIOLATIONS = """async () => {
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations
        .filter(({ impact }) => impact === 'serious' || impact === 'critical')
        .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) =>
            `${id}: ${html.slice(0, 200)} ${failureSummary}`));
}"""


@pytest.fixture(scope="module")
def server(fast_demo_server: ServerProcess) -> ServerProcess:
    return fast_demo_server


class Screenshots:
    """Takes screenshots, and asserts that each state fits the screen and is accessible."""

    def __init__(self, chat: ChatPage, width: int, scheme: str) -> None:
        self._chat = chat
        self._width = width
        self._scheme = scheme
        # A check takes a second, so each theme is checked at only one of the widths.
        self._checks_accessibility = (width < 600) == (scheme == "dark")
        self._count = 0

    def take(self, name: str) -> None:
        page = self._chat.page
        self._count += 1
        page.screenshot(path=OUTPUT / f"{self._width}-{self._scheme}-{self._count:02}-{name}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= self._width, name
        if self._checks_accessibility:
            assert page.evaluate(_FIND_VIOLATIONS) == [], name


@pytest.mark.parametrize(
    ("width", "height", "scheme"),
    [
        (1280, 800, "light"),
        (1280, 800, "dark"),
        (390, 844, "light"),
        (390, 844, "dark"),
    ],
)
def test_every_state_fits_the_screen_and_is_accessible(
    browser: Browser,
    server: ServerProcess,
    width: int,
    height: int,
    scheme: Literal["light", "dark"],
) -> None:
    if not AXE_SCRIPT.is_file():
        pytest.skip("needs axe-core: run make page")
    phone = width < 600
    with ChatPage.open(
        browser,
        server.url,
        viewport={"width": width, "height": height},
        color_scheme=scheme,
        has_touch=phone,
        is_mobile=phone,
        reduced_motion="reduce",
        # The page's content security policy would block the axe-core script.
        bypass_csp=True,
    ) as chat:
        chat.page.add_script_tag(path=AXE_SCRIPT)
        screenshot = Screenshots(chat, width, scheme).take
        screenshot("empty")
        chat.send_message("Compare the weather in Lisbon, Oslo and Atlantis")
        expect(chat.tool_cards("weather")).to_have_count(3)
        screenshot("tools")
        chat.wait_for_response()
        chat.send_message("Send a postcard to Ada")
        expect(chat.button("Approve")).to_be_visible()
        chat.wait_for_response()
        screenshot("approval")
        chat.button("Approve").click()
        expect(chat.last_text).to_contain_text("on its way")
        chat.send_message("Show me code, maths and a table")
        expect(chat.assistant_messages.last.locator(".reasoning-text")).to_contain_text("They want")
        screenshot("reasoning")
        chat.wait_for_response()
        screenshot("markdown")
        # The page has scrolled along with the response.
        expect(chat.last_text.get_by_text("describes every chunk")).to_be_in_viewport()
        chat.send_message("Look up the history of tea")
        expect(chat.page.get_by_role("navigation", name="Sources")).to_be_visible()
        chat.wait_for_response()
        screenshot("sources")
        chat.send_message("Show me an error")
        expect(chat.alert).to_be_in_viewport()
        screenshot("error")
        chat.button("Stream inspector").click()
        chat.page.get_by_role("region", name="Frames").get_by_role("button").last.click()
        screenshot("stream-inspector")
        chat.button("Stream inspector").click()
        if phone:
            chat.button("Chats").click()
            expect(chat.chat_titles.first).to_be_visible()
            screenshot("chat-list")
        chat.assert_no_errors()
