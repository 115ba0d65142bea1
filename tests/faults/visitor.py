"""A page that asks one thing and wants to see the whole answer, whatever happens on the way."""

from __future__ import annotations

import random
import time
from typing import Any

import httpx
from ui_message_stream.messages import TextPart, UIMessage

from tests.harness.pages import Page

__all__ = ["Visitor"]

#: Seconds after which a page that still has not its answer is a failure.
PATIENCE = 90.0


class Visitor:
    """It loses its connection now and then, and reloads when it is told of an error."""

    def __init__(
        self, url: str, chat: str, said: str, client_version: str, chance: random.Random
    ) -> None:
        self.chat = chat
        self.client_version = client_version
        #: what it was shown of the message by streams that came to their end
        self.shown: list[UIMessage] = []
        #: what the chat's store gave it at last
        self.stored: UIMessage | None = None
        self._url = url
        self._said = said
        self._chance = chance
        self._until = time.monotonic() + PATIENCE

    def ask(self) -> None:
        """Sends the message, as often as it takes, and reads the answer."""
        parts = [{"type": "text", "text": self._said}]
        message = {"id": f"u-{self.chat}", "role": "user", "parts": parts}
        body = {"id": self.chat, "message": message}
        while not self._read("POST", "/api/chat", body) and self._is_unknown():
            self._pause()
        self.follow()

    def follow(self) -> None:
        """Reads what there is to read until the answer has its end, then reloads."""
        while True:
            self._read("GET", f"/api/chat/{self.chat}/stream")
            if (stored := self._reload()) is not None and not stored["activeRunId"]:
                break
            self._pause()
        answers = [one for one in stored["messages"] if one["role"] == "assistant"]
        assert len(answers) <= 1, answers
        self.stored = UIMessage.from_object(answers[0]) if answers else None

    def text(self) -> str:
        """What the stored answer says."""
        parts = self.stored.parts if self.stored else []
        return "".join(part.text for part in parts if isinstance(part, TextPart))

    def _read(self, method: str, path: str, body: Any = None) -> bool:
        """One stream, to its end or until the connection is lost. Whether there was one."""
        page = Page(method, self._url + path, body, self.client_version)
        if self._chance.random() < 0.3:
            page.wait_for_some(self._chance.randrange(1, 30))
            page.close()
        page.end(PATIENCE)
        if page.done and page.chunks[-1]["type"] in {"finish", "abort"}:
            self.shown.append(page.message())
        return page.status == 200

    def _is_unknown(self) -> bool:
        """Whether the chat does not exist: what was sent did not arrive."""
        while (answer := self._get()) is None or answer.status_code not in {200, 404}:
            self._pause()
        return answer.status_code == 404

    def _reload(self) -> Any:
        """The stored chat; None if it cannot be had now, or does not exist yet."""
        answer = self._get()
        return answer.json() if answer is not None and answer.status_code == 200 else None

    def _get(self) -> httpx.Response | None:
        headers = {"x-usechat-client": self.client_version}
        try:
            url = f"{self._url}/api/chat/{self.chat}"
            return httpx.get(url, headers=headers, trust_env=False, timeout=PATIENCE)
        except httpx.HTTPError:
            return None

    def _pause(self) -> None:
        assert time.monotonic() < self._until, f"{self.chat}: no answer after {PATIENCE} s"
        time.sleep(0.1)
