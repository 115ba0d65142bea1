"""Page object for the demo page: what tests do with it and what they look for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
)

__all__ = ["RESPONSE_TIMEOUT", "ChatPage"]

#: Milliseconds that a response of the demo model may take. The longest takes about ten seconds.
RESPONSE_TIMEOUT = 60_000

_RECORD_RENDERS = """() => {
    const openReasoning = '[aria-busy=true] .reasoning [aria-expanded=true] + :not(:empty)';
    window.renders = [];
    window.sawReasoning = false;
    const onFrame = time => {
        const text = [...document.querySelectorAll('.message.assistant .markdown')].at(-1);
        const length = text ? text.textContent.length : 0;
        if (length && length !== window.renders.at(-1)?.[1]) window.renders.push([time, length]);
        window.sawReasoning ||= document.querySelector(openReasoning) !== null;
        requestAnimationFrame(onFrame);
    };
    requestAnimationFrame(onFrame);
}"""


class ChatPage:
    """The demo page in one browser tab. Records its requests and errors."""

    def __init__(self, page: Page, base_url: str) -> None:
        self.page = page
        #: errors and warnings in the console, and uncaught exceptions
        self.console_errors: list[str] = []
        #: URLs on other hosts that the page requested
        self.external_requests: list[str] = []
        #: the requests to `POST /api/chat`, oldest first
        self.chat_requests: list[Request] = []
        self._base_url = base_url
        page.on("console", self._on_console_message)
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on("request", self._on_request)

    @classmethod
    @contextmanager
    def open(
        cls, browser: Browser, url: str, *, timezone: str = "UTC", **options: Any
    ) -> Iterator[ChatPage]:
        """Open the page in a new browser context, until the block ends.

        Args:
            browser: The browser to use.
            url: The URL of the server.
            timezone: The IANA name of the context's time zone.
            options: Further options of Playwright's `new_context`.
        """
        with browser.new_context(timezone_id=timezone, **options) as context:
            yield cls.open_tab(context, url)

    @classmethod
    def open_tab(cls, context: BrowserContext, base_url: str, path: str = "") -> ChatPage:
        """Open a tab in a browser context and wait until the app is rendered."""
        chat = cls(context.new_page(), base_url)
        chat.page.goto(base_url + path)
        expect(chat.message_field).to_be_visible()
        return chat

    def open_second_tab(self) -> ChatPage:
        """Open the same chat in another tab of the same browser context."""
        path = self.page.url.removeprefix(self._base_url)
        return ChatPage.open_tab(self.page.context, self._base_url, path)

    def send_message(self, text: str) -> None:
        """Type a message and press Enter."""
        before = self.user_messages.count()
        self.message_field.fill(text)
        self.message_field.press("Enter")
        expect(self.user_messages).to_have_count(before + 1)

    def wait_for_response(self) -> None:
        """Wait until the response is complete."""
        expect(self.send_button).to_be_visible(timeout=RESPONSE_TIMEOUT)

    def start_new_chat(self) -> None:
        self.page.get_by_role("button", name="New chat").first.click()
        expect(self.user_messages).to_have_count(0)

    def assert_no_errors(self) -> None:
        """Assert that the page logged no error and requested nothing from another host."""
        assert self.console_errors == []
        assert self.external_requests == []

    def start_recording_renders(self) -> None:
        """Start recording for `renders` and `showed_reasoning`."""
        self.page.evaluate(_RECORD_RENDERS)

    def renders(self) -> list[tuple[float, int]]:
        """Return when the text of the last response changed (milliseconds) and its length."""
        return [(time, length) for time, length in self.page.evaluate("window.renders")]

    def showed_reasoning(self) -> bool:
        """Whether reasoning was visible, expanded, while the response was streaming."""
        return bool(self.page.evaluate("window.sawReasoning"))

    def read_clipboard(self) -> str:
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def tool_cards(self, tool_name: str) -> Locator:
        """Return the cards of all calls of a tool."""
        return self.page.get_by_role("region", name=f"Tool {tool_name}")

    @property
    def request_bodies(self) -> list[dict[str, Any]]:
        """The bodies of the chat requests, oldest first."""
        return [request.post_data_json or {} for request in self.chat_requests]

    @property
    def message_field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def send_button(self) -> Locator:
        return self.button("Send")

    @property
    def stop_button(self) -> Locator:
        return self.button("Stop")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    @property
    def user_messages(self) -> Locator:
        return self.page.locator(".message.user")

    @property
    def assistant_messages(self) -> Locator:
        return self.page.locator(".message.assistant")

    @property
    def last_text(self) -> Locator:
        """The last text of the last assistant message."""
        return self.assistant_messages.last.locator(".markdown").last

    @property
    def chat_titles(self) -> Locator:
        """The titles in the chat list, newest first."""
        return self.page.get_by_role("navigation", name="Chats").locator(".chat-title")

    def _on_console_message(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.console_errors.append(message.text)

    def _on_request(self, request: Request) -> None:
        if not request.url.startswith((self._base_url, "data:")):
            self.external_requests.append(request.url)
        if request.url == f"{self._base_url}/api/chat":
            self.chat_requests.append(request)
