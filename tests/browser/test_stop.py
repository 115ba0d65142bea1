"""Stopping a response also stops the request to the provider, and with it the costs."""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.browser.demo_server import serve_demo_with_store
from tests.harness.fake_provider import FakeProvider, Reply, message, text

#: Maximum seconds from the click on Stop until the connection to the provider is closed.
MAX_DELAY = 0.3


def test_stop_closes_the_connection_to_the_provider(browser: Browser, tmp_path: Path) -> None:
    with (
        FakeProvider() as provider,
        serve_demo_with_store(
            "usechat_server.demo:default_agent",
            tmp_path,
            ANTHROPIC_API_KEY="any",
            ANTHROPIC_BASE_URL=provider.url,
        ) as server,
        ChatPage.open(browser, server.url) as chat,
    ):
        delays = []
        for number in range(2):
            incomplete = message(text(f"Beginning {number}"))[:-3]
            provider.script(Reply(incomplete, then="hang"))
            chat.send_message("Say something")
            expect(chat.last_text).to_have_text(f"Beginning {number}")
            request = provider.request(number)
            clicked_at = time.monotonic()
            chat.stop_button.click()
            assert request.closed.wait(20)
            assert request.closed_at is not None
            delays.append(request.closed_at - clicked_at)
            chat.wait_for_response()
        print(f"connection closed after {[f'{delay * 1000:.0f} ms' for delay in delays]}")
        # The machine may be busy with other tests during one of the two.
        assert min(delays) < MAX_DELAY
        # The partial responses are stored.
        chat.page.reload()
        expect(chat.last_text).to_have_text("Beginning 1")
        expect(chat.page.get_by_text("Stopped", exact=True)).to_have_count(2)
        chat.assert_no_errors()
