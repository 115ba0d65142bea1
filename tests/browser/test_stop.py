"""Stop reaches the provider: nobody pays for what nobody reads."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from playwright.sync_api import Browser, expect

from tests.browser.chat_page import ChatPage
from tests.harness.fake_provider import FakeProvider, Reply, message, text
from tests.harness.serving import SCRIPTS, serve

#: Seconds between the click and the provider's seeing its connection closed.
LIMIT = 0.3


def test_stop_reaches_the_provider_at_once(browser: Browser, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path}/chats.db"
    subprocess.run([SCRIPTS / "usechat-server", "db", "upgrade", "--store", store], check=True)
    with FakeProvider() as provider:
        env = {
            "ANTHROPIC_API_KEY": "any",
            "ANTHROPIC_BASE_URL": provider.url,
            "USECHAT_PAGE": "true",
            "USECHAT_STORE": store,
        }
        with (
            serve("usechat_server.demo:default_agent", "usechat", env=env) as server,
            ChatPage.open(browser, server.url) as chat,
        ):
            took = []
            for number in range(2):
                beginning = message(text(f"Beginning {number}"))[:-3]
                provider.script(Reply(beginning, then="hang"))
                chat.ask("Say something")
                expect(chat.text).to_have_text(f"Beginning {number}")
                request = provider.request(number)
                clicked = time.monotonic()
                chat.stop.click()
                assert request.closed.wait(20)
                assert request.closed_at is not None
                took.append(request.closed_at - clicked)
                chat.wait()
            print(f"stop reached the provider after {[f'{s * 1000:.0f} ms' for s in took]}")
            # The machine may be busy with other things for one of them.
            assert min(took) < LIMIT
            # What was said is kept.
            chat.page.reload()
            expect(chat.text).to_have_text("Beginning 1")
            expect(chat.page.get_by_text("Stopped", exact=True)).to_have_count(2)
            chat.healthy()
