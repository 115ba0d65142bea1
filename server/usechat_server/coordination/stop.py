"""Requests to stop a run: which run a request is about, in memory and over Redis."""

from __future__ import annotations

from usechat_server.turn import Turn

__all__ = ["STOP_SECONDS", "concerns", "message_ids"]

#: Seconds that a request to stop waits for the end of the run: a store may be slow.
STOP_SECONDS = 5.0


def concerns(turn: Turn, message_id: str | None) -> bool:
    """Whether a stop request is about a run, so that a late one does not end the next run.

    Args:
        turn: The turn of the run.
        message_id: The id that the request names: of the user's message, or of the assistant
            message that responds to it. None: the request is about any run of the chat.
    """
    return message_id is None or message_id in message_ids(turn)


def message_ids(turn: Turn) -> tuple[str, str]:
    """Return the ids of the message that a run writes, and of the one that it responds to."""
    return turn.message_id, turn.question_id
