"""A client that sends one message and retries until it has the complete response."""

from __future__ import annotations

import random
import time
from typing import Any

import httpx
from ui_message_stream.messages import TextPart, UIMessage

from tests.harness.stream_client import StreamClient

__all__ = ["PersistentClient"]

#: Seconds after which a client without a complete response is a failure.
MAX_SECONDS = 90.0


class PersistentClient:
    """Loses its connection now and then, and reloads the chat after an error."""

    def __init__(
        self, url: str, chat: str, text: str, client_version: str, chance: random.Random
    ) -> None:
        self.chat = chat
        self.client_version = client_version
        #: the message of each stream that was read to its end
        self.streamed: list[UIMessage] = []
        #: the message as the store has it
        self.stored: UIMessage | None = None
        self._url = url
        self._text = text
        self._chance = chance
        self._deadline = time.monotonic() + MAX_SECONDS

    def send(self) -> None:
        """Send the message, as often as it takes, and read the response."""
        parts = [{"type": "text", "text": self._text}]
        message = {"id": f"u-{self.chat}", "role": "user", "parts": parts}
        body = {"id": self.chat, "message": message}
        while not self._read("POST", "/api/chat", body) and self._is_unknown():
            self._pause()
        self.follow()

    def follow(self) -> None:
        """Read the stream until the response has ended, then load the chat."""
        while True:
            self._read("GET", f"/api/chat/{self.chat}/stream")
            if (stored := self._reload()) is not None and not stored["activeRunId"]:
                break
            self._pause()
        responses = [message for message in stored["messages"] if message["role"] == "assistant"]
        assert len(responses) <= 1, responses
        self.stored = UIMessage.from_object(responses[0]) if responses else None

    def text(self) -> str:
        """Return the text of the stored response."""
        parts = self.stored.parts if self.stored else []
        return "".join(part.text for part in parts if isinstance(part, TextPart))

    def _read(self, method: str, path: str, body: Any = None) -> bool:
        """Read a stream until it ends or the connection is lost. Return whether there was one."""
        client = StreamClient(method, self._url + path, body, self.client_version)
        if self._chance.random() < 0.3:
            client.wait_for_chunks(self._chance.randrange(1, 30))
            client.close()
        client.end(MAX_SECONDS)
        if client.done and client.chunks[-1]["type"] in {"finish", "abort"}:
            self.streamed.append(client.message())
        return client.status == 200

    def _is_unknown(self) -> bool:
        """Whether the chat does not exist: the message did not arrive."""
        while (response := self._get()) is None or response.status_code not in {200, 404}:
            self._pause()
        return response.status_code == 404

    def _reload(self) -> Any:
        """Return the stored chat; None if it is unavailable now, or does not exist yet."""
        response = self._get()
        return response.json() if response is not None and response.status_code == 200 else None

    def _get(self) -> httpx.Response | None:
        headers = {"x-usechat-client": self.client_version}
        try:
            url = f"{self._url}/api/chat/{self.chat}"
            return httpx.get(url, headers=headers, trust_env=False, timeout=MAX_SECONDS)
        except httpx.HTTPError:
            return None

    def _pause(self) -> None:
        assert time.monotonic() < self._deadline, f"{self.chat}: no response after {MAX_SECONDS} s"
        time.sleep(0.1)
