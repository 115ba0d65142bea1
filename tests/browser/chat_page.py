"""The chat page as a person uses it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from playwright.sync_api import Browser, BrowserContext, Locator, Page, Request, expect

__all__ = ["ANSWER", "ChatPage"]

#: Milliseconds that an answer of the demo model may take. The longest takes about ten seconds.
ANSWER = 60_000

_WATCH = """() => {
    const unfolded = '[aria-busy=true] .reasoning [aria-expanded=true] + :not(:empty)';
    window.paints = [];
    window.thinking = false;
    const look = time => {
        const answer = [...document.querySelectorAll('.message.assistant .markdown')].at(-1);
        const length = answer ? answer.textContent.length : 0;
        if (length && length !== window.paints.at(-1)?.[1]) window.paints.push([time, length]);
        window.thinking ||= document.querySelector(unfolded) !== null;
        requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
}"""


class ChatPage:
    """One browser tab. Keeps what the page sent and what it complained of."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        #: errors and warnings in the console, and exceptions that nobody caught
        self.complaints: list[str] = []
        #: addresses of other hosts that the page asked
        self.foreign: list[str] = []
        #: the requests for answers, oldest first
        self.requests: list[Request] = []
        self._url = url
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", self._request)

    @classmethod
    @contextmanager
    def open(
        cls, browser: Browser, url: str, *, timezone: str = "UTC", **options: Any
    ) -> Iterator[ChatPage]:
        """Opens the page in a fresh profile. `options` are Playwright's for a browser context."""
        with browser.new_context(timezone_id=timezone, **options) as context:
            yield cls.tab(context, url)

    @classmethod
    def tab(cls, context: BrowserContext, url: str, path: str = "") -> ChatPage:
        """Opens one more tab of a profile."""
        chat = cls(context.new_page(), url)
        chat.page.goto(url + path)
        # From now on the page listens.
        expect(chat.field).to_be_visible()
        return chat

    def another_tab(self) -> ChatPage:
        """Opens this chat in a second tab."""
        address = self.page.url.removeprefix(self._url)
        return ChatPage.tab(self.page.context, self._url, address)

    def ask(self, text: str) -> None:
        """Types a question and presses Enter."""
        before = self.questions.count()
        self.field.fill(text)
        self.field.press("Enter")
        expect(self.questions).to_have_count(before + 1)

    def wait(self) -> None:
        """Waits until the answer is complete."""
        expect(self.send).to_be_visible(timeout=ANSWER)

    def new(self) -> None:
        """Begins another chat."""
        self.page.get_by_role("button", name="New chat").first.click()
        expect(self.questions).to_have_count(0)

    def healthy(self) -> None:
        """Nothing may have gone wrong in the page, nor left this machine."""
        assert self.complaints == []
        assert self.foreign == []

    def watch(self) -> None:
        """Begins to note what each frame shows, for `paints` and `showed_thinking`."""
        self.page.evaluate(_WATCH)

    def paints(self) -> list[tuple[float, int]]:
        """Frames that showed more of an answer than the one before: milliseconds, characters."""
        return [(time, length) for time, length in self.page.evaluate("window.paints")]

    def showed_thinking(self) -> bool:
        """Whether a frame showed reasoning, unfolded, while the answer was under way."""
        return bool(self.page.evaluate("window.thinking"))

    def clipboard(self) -> str:
        """What was copied last."""
        return str(self.page.evaluate("navigator.clipboard.readText()"))

    def button(self, name: str) -> Locator:
        return self.page.get_by_role("button", name=name, exact=True)

    def card(self, tool: str) -> Locator:
        """The cards of a tool's calls."""
        return self.page.get_by_role("region", name=f"Tool {tool}")

    @property
    def asked(self) -> list[dict[str, Any]]:
        """The bodies of the requests for answers."""
        return [request.post_data_json or {} for request in self.requests]

    @property
    def field(self) -> Locator:
        return self.page.get_by_role("textbox", name="Message", exact=True)

    @property
    def send(self) -> Locator:
        return self.button("Send")

    @property
    def stop(self) -> Locator:
        return self.button("Stop")

    @property
    def alert(self) -> Locator:
        return self.page.get_by_role("alert")

    @property
    def questions(self) -> Locator:
        return self.page.locator(".message.user")

    @property
    def answers(self) -> Locator:
        return self.page.locator(".message.assistant")

    @property
    def text(self) -> Locator:
        """The text of the newest answer."""
        return self.answers.last.locator(".markdown").last

    @property
    def chats(self) -> Locator:
        """The titles in the list of chats, the newest first."""
        return self.page.get_by_role("navigation", name="Chats").locator(".chat-title")

    def _console(self, message: Any) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _request(self, request: Request) -> None:
        if not request.url.startswith((self._url, "data:")):
            self.foreign.append(request.url)
        if request.url == f"{self._url}/api/chat":
            self.requests.append(request)
