"""Split the body of an SSE response into the data of its events.

Source of the rules: the HTML standard, "Interpreting an event stream". Only `data` is read: the
APIs of model providers repeat the event's type inside it.
"""

from __future__ import annotations

from usechat_server.errors import ModelError

__all__ = ["SSEDecoder"]

#: The most bytes of one event. (Frames of AWS event streams have the same limit.)
MAX_EVENT_BYTES = 24 * 1024 * 1024

_BOM = b"\xef\xbb\xbf"


class SSEDecoder:
    """Decodes a body that arrives in pieces of any size."""

    __slots__ = ("_skip_lf", "_tail", "_tail_bytes")

    def __init__(self) -> None:
        #: the pieces of the event that is not complete yet
        self._tail: list[bytes] = []
        self._tail_bytes = 0
        #: the last piece ended in CR: an LF at the start of the next one belongs to it
        self._skip_lf = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the payloads of the events that this piece completes.

        Raises:
            ModelError: An event is too large.
        """
        if self._skip_lf or b"\r" in data:
            data = self._normalize_line_ends(data)
        tail = self._tail
        if tail:
            ends_at_seam = tail[-1].endswith(b"\n") and data.startswith(b"\n")
            if not ends_at_seam and b"\n\n" not in data:
                if data:
                    tail.append(data)
                    self._tail_bytes += len(data)
                    if self._tail_bytes > MAX_EVENT_BYTES:
                        raise ModelError(
                            f"an event has more than {MAX_EVENT_BYTES} bytes", "truncated"
                        )
                return []
            data = b"".join((*tail, data))
        *events, rest = data.split(b"\n\n")
        self._tail, self._tail_bytes = ([rest] if rest else []), len(rest)
        payloads = []
        for event in events:
            # The fast paths: one `data:` line, with or without one `event:` line before it.
            if event.startswith(b"data: ") and b"\n" not in event:
                payloads.append(event[6:])
                continue
            head, separator, payload = event.partition(b"\ndata: ")
            if not (separator and head.startswith(b"event:")) or event.count(b"\n") != 1:
                payload = _join_data_lines(event)
            if payload:
                payloads.append(payload)
        return payloads

    def _normalize_line_ends(self, data: bytes) -> bytes:
        """Replace CR LF and CR by LF."""
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if data:
            self._skip_lf = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _join_data_lines(event: bytes) -> bytes:
    """Return the data of any event: its `data` lines, joined by LF."""
    lines = []
    for line in event.removeprefix(_BOM).split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
