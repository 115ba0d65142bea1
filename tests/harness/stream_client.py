"""A client of a stream that runs in a thread: its chunks so far, and the message they make."""

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

__all__ = ["StreamClient"]


class StreamClient:
    """One request for a stream, which a thread sends and reads at once.

    with StreamClient("POST", f"{url}/api/chat", body) as client:
        client.wait(lambda chunks: len(chunks) > 3)
    """

    def __init__(
        self, method: str, url: str, body: Any = None, client_version: str = "7.0.173"
    ) -> None:
        self.chunks: list[dict[str, Any]] = []
        #: of the response; 0: there is none yet
        self.status = 0
        #: of the run that it reads
        self.run_id = ""
        #: the body of a response that is not a stream
        self.text = ""
        #: whether `[DONE]` was received
        self.done = False
        self._request = (method, url, body, {"x-usechat-client": client_version})
        self._change = threading.Condition()
        self._has_ended = False
        self._response: httpx.Response | None = None
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def wait(self, condition: Callable[[list[dict[str, Any]]], bool]) -> None:
        """Return when the condition is true of the chunks. Fails if the response ends before."""
        with self._change:
            in_time = self._change.wait_for(
                lambda: condition(self.chunks) or self._has_ended, DEADLINE
            )
            assert in_time, f"timed out: {self.status} {self.chunks}"
            assert condition(self.chunks), (
                f"the response ended: {self.status} {self.text} {self.chunks}"
            )

    def wait_for_text(self, text: str) -> None:
        """Return when the text deltas contain a text."""
        self.wait(lambda _: text in self._text)

    def wait_for_chunks(self, chunks: int) -> None:
        """Return when there are this many chunks, or the response has ended."""
        with self._change:
            self._change.wait_for(lambda: len(self.chunks) >= chunks or self._has_ended, DEADLINE)

    def end(self, deadline: float = DEADLINE) -> Self:
        """Wait for the end of the response, however it ends."""
        self._thread.join(deadline)
        assert not self._thread.is_alive(), f"timed out: {self.status} {self.chunks}"
        return self

    @property
    def _text(self) -> str:
        """The text deltas so far, joined."""
        chunks = list(self.chunks)
        return "".join(chunk["delta"] for chunk in chunks if chunk["type"] == "text-delta")

    def message(self) -> UIMessage:
        """Return the message so far. The chunks must be legal."""
        parsed = [parse_chunk(chunk) for chunk in list(self.chunks)]
        grammar = StreamState()
        for chunk in parsed:
            grammar.check(chunk)
        return reduce(parsed)

    def close(self) -> None:
        """Close the connection."""
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
            self.run_id = response.headers.get("x-usechat-run", "")
            self._response, self.status = response, response.status_code
            if response.headers.get("content-type", "").startswith("text/event-stream"):
                for line in response.iter_lines():
                    self._add_line(line)
            else:
                self.text = response.read().decode()
        with self._change:
            self._has_ended = True
            self._change.notify_all()

    def _add_line(self, line: str) -> None:
        if not line.startswith("data: "):
            return
        with self._change:
            if line == "data: [DONE]":
                self.done = True
            else:
                self.chunks.append(json.loads(line.removeprefix("data: ")))
            self._change.notify_all()
