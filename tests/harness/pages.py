"""A page on a chat: what it was sent so far, and the message that it shows."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Self

import httpx
from ui_message_stream.chunks import parse_chunk
from ui_message_stream.messages import UIMessage
from ui_message_stream.reducer import reduce
from ui_message_stream.state import StreamState

from tests.harness.common import DEADLINE

__all__ = ["Page"]


class Page:
    """One request for a stream, read in a thread from the moment that it is made.

    with Page("POST", f"{url}/api/chat", body) as page:
        page.wait(lambda chunks: len(chunks) > 3)
    """

    def __init__(
        self, method: str, url: str, body: Any = None, client_version: str = "7.0.173"
    ) -> None:
        self.chunks: list[dict[str, Any]] = []
        #: the response's; 0: none came
        self.status = 0
        #: id of the run that it reads
        self.run = ""
        #: of a response that is no stream
        self.text = ""
        #: whether `[DONE]` came
        self.done = False
        self._request = (method, url, body, {"x-usechat-client": client_version})
        self._change = threading.Condition()
        self._over = False
        self._response: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, wanted: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Returns when it is true of the chunks. Fails if the response ends before."""
        with self._change:
            found = self._change.wait_for(lambda: wanted(self.chunks) or self._over, DEADLINE)
            assert found, f"waited in vain: {self.status} {self.chunks}"
            assert wanted(self.chunks), f"it ended: {self.status} {self.text} {self.chunks}"

    def wait_for_text(self, text: str) -> None:
        """Returns when this was said."""
        self.wait(lambda _: text in self.said)

    def wait_for_some(self, chunks: int) -> None:
        """Returns when so many came, or the response has ended."""
        with self._change:
            self._change.wait_for(lambda: len(self.chunks) >= chunks or self._over, DEADLINE)

    def end(self, deadline: float = DEADLINE) -> Self:
        """Waits for the end of the response, whichever way it comes."""
        self._thread.join(deadline)
        assert not self._thread.is_alive(), f"no end: {self.status} {self.chunks}"
        return self

    @property
    def said(self) -> str:
        """The text deltas so far, one after another."""
        deltas = [c["delta"] for c in list(self.chunks) if c["type"] == "text-delta"]
        return "".join(deltas)

    def message(self) -> UIMessage:
        """What the page shows now. The chunks must be legal."""
        parsed = [parse_chunk(chunk) for chunk in list(self.chunks)]
        grammar = StreamState()
        for chunk in parsed:
            grammar.check(chunk)
        return reduce(parsed)

    def close(self) -> None:
        """Hangs up."""
        response = self._response
        if response is not None:
            with suppress(Exception):
                response.extensions["network_stream"].get_extra_info("socket").shutdown(2)
        self._thread.join(DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _read(self) -> None:
        method, url, body, headers = self._request
        with (
            suppress(httpx.HTTPError),
            httpx.Client(trust_env=False, timeout=DEADLINE) as client,
            client.stream(method, url, json=body, headers=headers) as response,
        ):
            self.run = response.headers.get("x-usechat-run", "")
            self._response, self.status = response, response.status_code
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                for line in response.iter_lines():
                    self._take(line)
            else:
                self.text = response.read().decode()
        with self._change:
            self._over = True
            self._change.notify_all()

    def _take(self, line: str) -> None:
        if not line.startswith("data: "):
            return
        with self._change:
            if line == "data: [DONE]":
                self.done = True
            else:
                self.chunks.append(json.loads(line.removeprefix("data: ")))
            self._change.notify_all()
