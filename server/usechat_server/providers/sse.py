"""Bytes of an SSE body → event payloads.

Source of the rules: the HTML standard, "Interpreting an event stream". Only the data matters here:
each payload of the Messages API names its own type.
"""

from __future__ import annotations

__all__ = ["Framing"]

_BOM = b"\xef\xbb\xbf"


class Framing:
    """Cuts a body that arrives in pieces of any size into the payloads of its events."""

    __slots__ = ("_skip_lf", "_tail")

    def __init__(self) -> None:
        #: the unfinished event, in the pieces that came
        self._tail: list[bytes] = []
        #: the last piece ended in CR: an LF in front of the next one belongs to it
        self._skip_lf = False

    def feed(self, data: bytes) -> list[bytes]:
        """The payloads of the events that are complete now."""
        if self._skip_lf or b"\r" in data:
            data = self._with_lf(data)
        tail = self._tail
        if tail:
            at_seam = tail[-1].endswith(b"\n") and data.startswith(b"\n")
            if not at_seam and b"\n\n" not in data:
                if data:
                    tail.append(data)
                return []
            data = b"".join((*tail, data))
        *events, rest = data.split(b"\n\n")
        self._tail = [rest] if rest else []
        payloads = []
        for event in events:
            # What the API sends: one `event:` line, one `data:` line.
            head, found, payload = event.partition(b"\ndata: ")
            if not (found and head.startswith(b"event:")) or event.count(b"\n") != 1:
                payload = _data(event)
            if payload:
                payloads.append(payload)
        return payloads

    def _with_lf(self, data: bytes) -> bytes:
        """The piece with LF for every kind of line end."""
        if self._skip_lf and data:
            data = data.removeprefix(b"\n")
            self._skip_lf = False
        if data:
            self._skip_lf = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")


def _data(event: bytes) -> bytes:
    """The data of any event: its `data` lines, joined by LF."""
    lines = []
    for line in event.removeprefix(_BOM).split(b"\n"):
        field, _, value = line.partition(b":")
        if field == b"data":
            lines.append(value.removeprefix(b" "))
    return b"\n".join(lines)
