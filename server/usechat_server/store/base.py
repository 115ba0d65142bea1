"""Where chats live: what the server needs of a store."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.approvals.base import Approvals
from usechat_server.errors import ChatConflict
from usechat_server.results import Outcome, Step
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.chat_request import ChatRequest

__all__ = [
    "Branch",
    "Chat",
    "ChatChanged",
    "ChatPage",
    "ChatStore",
    "OpenTurn",
    "StoredChat",
    "StoredTurn",
]


class ChatChanged(ChatConflict):
    """The stored chat is another one than the one that a Turn was made from."""

    def __init__(self) -> None:
        super().__init__("This chat went on elsewhere. Please reload it.")


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat without its messages."""

    id: str
    #: of the first user text, until it is renamed; None: there was none
    title: str | None
    created_at: datetime
    #: when it was last written to
    updated_at: datetime
    #: the run that is writing in it
    active_run_id: str | None


@dataclass(frozen=True, slots=True)
class ChatPage:
    """Some chats of a user, the newest first."""

    chats: Sequence[Chat]
    #: what to ask the next page with; None: there is none
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StoredChat:
    """A chat with its messages."""

    chat: Chat
    messages: Sequence[UIMessage]
    #: id of the message that the active run writes; it is in `messages` as far as it was saved
    active_message_id: str | None


@dataclass(frozen=True, slots=True)
class Branch:
    """Messages that an edit or a regeneration replaced."""

    #: counts from 1
    number: int
    #: id of the message that they followed; None: they were the first
    after: str | None
    messages: Sequence[UIMessage]


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn of a chat, for its costs."""

    run_id: str
    message_id: str
    #: None: it is still open
    outcome: Outcome | None
    started_at: datetime
    ended_at: datetime | None
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A turn whose end was not stored yet: it runs, or the process that ran it is gone."""

    user: str | None
    chat_id: str
    run_id: str
    message_id: str


class ChatStore(Protocol):
    """A store. Its methods work in any event loop; none holds a connection after it returned.

    All of them raise StoreUnavailable.
    """

    #: the approvals that are asked for in these chats
    approvals: Approvals

    async def open(self) -> None:
        """Checks that the store can be used; called when an app starts, or with its first request.
        Raises ValueError with what to do."""
        ...

    async def aclose(self) -> None:
        """Closes what was opened in the running event loop. It can be used again afterwards."""
        ...

    async def turn(
        self, request: ChatRequest, user: str | None, client_version: ClientVersion
    ) -> Turn:
        """What is to be answered: the stored history with what may be taken of the request.

        Writes nothing. Raises ChatError. Call it with the chat claimed: what another run writes
        after it makes `begin` fail.
        """
        ...

    async def begin(self, turn: Turn, *, run_id: str, epoch: int = 0) -> None:
        """Stores what is new in the turn (the user's message, answers to calls, an edit) and that
        it is open, before anything is asked of a model. Raises ChatChanged."""
        ...

    async def checkpoint(
        self, turn: Turn, message: UIMessage, *, run_id: str, epoch: int = 0
    ) -> bool:
        """Stores the assistant message so far. False, and nothing is written: the turn has its end,
        its chat is gone, or its message belongs to a newer run (or epoch of the same run) by now.
        """
        ...

    async def finish(
        self,
        turn: Turn,
        message: UIMessage,
        outcome: Outcome,
        steps: Sequence[Step],
        *,
        run_id: str,
        epoch: int = 0,
    ) -> bool:
        """Stores the end of a turn: the whole message (none if it says nothing), what became of it
        and its model calls. Once; False as for `checkpoint`. Worth trying again after
        StoreUnavailable.
        """
        ...

    async def open_turns(self) -> Sequence[OpenTurn]:
        """All turns without an end, of all users. Asked at start."""
        ...

    async def interrupt(self, run_ids: Collection[str]) -> None:
        """Ends open turns that nobody runs: their messages are closed as they were saved last."""
        ...

    async def list(self, user: str | None, cursor: str | None, limit: int) -> ChatPage:
        """A user's chats, the last written first. Raises ChatError for a wrong cursor."""
        ...

    async def get(self, user: str | None, chat_id: str) -> StoredChat | None:
        """A user's chat; None if the user has none of this id."""
        ...

    async def rename(self, user: str | None, chat_id: str, title: str) -> Chat | None:
        """Gives a chat a title that stays. None if there is no such chat."""
        ...

    async def delete(self, user: str | None, chat_id: str) -> bool:
        """Deletes a chat and all that belongs to it. False if there is no such chat."""
        ...

    async def branches(self, user: str | None, chat_id: str) -> Sequence[Branch] | None:
        """What was replaced in a chat, the first first. None if there is no such chat."""
        ...

    async def turns(self, user: str | None, chat_id: str) -> Sequence[StoredTurn] | None:
        """A chat's turns, the first first. None if there is no such chat."""
        ...
