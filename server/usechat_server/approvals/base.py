"""What the loop and the routes need of approvals, whatever remembers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from ui_message_stream.chunks import ToolInputAvailable

from usechat_server.turn import Decision, Turn

__all__ = ["LIFETIME", "Approvals", "Issued"]

#: Seconds that a person has for an answer. What is approved is what is on the page at that moment,
#: so this only bounds how long an open question is remembered.
LIFETIME = 24 * 60 * 60.0


@dataclass(frozen=True, slots=True)
class Issued:
    """A question that was put to a person."""

    #: every client from AI SDK 6 on sends it back with the answer
    approval_id: str
    #: the AI SDK's own signature of the call; None: there is no secret that others know
    signature: str | None = None


class Approvals(Protocol):
    """Issues approvals and takes each once: for a pending call that this server issued to this
    user in this chat, with the input unchanged, within its time."""

    async def request(self, turn: Turn, call: ToolInputAvailable) -> Issued:
        """Begins to wait for an answer to this call."""
        ...

    async def redeem(self, turn: Turn) -> Mapping[str, Decision]:
        """Tool call id → the person's answer, for each call that the continued message answers now.

        Each of them is used up, denied ones too. Raises BadRequest if any of them does not count:
        then nothing may run.
        """
        ...
