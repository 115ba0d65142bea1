"""What one stream shall carry: written into the prompt by the client, read there by the provider.

The prompt is the only thing that reaches the provider through every server unchanged.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

__all__ = ["DELTA_BYTES", "PERIOD", "STAMP", "Plan", "stamp"]

#: seconds between two deltas of a paced stream
PERIOD = 0.02
#: length of every delta; its last byte is the only "~" in it, so that counting "~" counts deltas
DELTA_BYTES = 20
#: microseconds of the monotonic clock when the provider wrote the delta, and its number
STAMP = re.compile(rb"(\d{13})(\d{6})~")

_PLAN = re.compile(rb"bench ((?:\w+=\w+ )+)end")


def stamp(microseconds: int, number: int) -> bytes:
    """A delta's text, DELTA_BYTES long."""
    return b"%013d%06d~" % (microseconds, number)


@dataclass(frozen=True)
class Plan:
    """One stream of the provider."""

    #: "text", or the shape of a tool's input: "string" or "rows"
    kind: str = "text"
    #: deltas sent at once when the stream begins
    lead: int = 0
    #: deltas sent after that: at once, or paced
    deltas: int = 0
    #: 1: one delta every PERIOD
    paced: int = 0
    #: the deltas after the lead wait until this gate is opened; 0 means no gate
    gate: int = 0
    #: the name under which the provider remembers when the stream's connection was closed
    id: int = 0

    def prompt(self) -> str:
        """The plan as text that survives any JSON encoding."""
        words = (f"{field.name}={getattr(self, field.name)} " for field in fields(self))
        return f"bench {''.join(words)}end"

    @classmethod
    def find(cls, body: bytes) -> Plan:
        """The plan in a request's body. Raises ValueError without one."""
        found = _PLAN.search(body)
        if found is None:
            raise ValueError("no plan in the request's body")
        words = dict(word.split("=") for word in found[1].decode().split())
        kind = words.pop("kind")
        return cls(kind=kind, **{key: int(value) for key, value in words.items()})
