"""`ChatStore`, the interface of a store, and what its methods return."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.approvals.base import Approvals
from usechat_server.coordination.ownership import Owner, Ownership
from usechat_server.errors import ChatConflict
from usechat_server.results import Outcome, Step
from usechat_server.turn import Turn

if TYPE_CHECKING:
    from usechat_server.chat_request import ChatRequest

__all__ = [
    "Branch",
    "Chat",
    "ChatBusy",
    "ChatChanged",
    "ChatPage",
    "ChatStore",
    "OpenTurn",
    "StopsRuns",
    "StoredChat",
    "StoredTurn",
]


class ChatChanged(ChatConflict):
    """409: the stored chat has changed since the turn was made from it."""

    def __init__(self) -> None:
        super().__init__("This chat was changed in another tab. Please reload.")


class ChatBusy(ChatConflict):
    """409: the chat has an open turn of another process, which may still be running."""

    def __init__(self, owner: Owner) -> None:
        super().__init__(
            "This chat is still responding. Please wait for the response, or stop it first."
        )
        self.owner = owner


@dataclass(frozen=True, slots=True)
class Chat:
    """A chat without its messages.

    Attributes:
        id: The chat's id.
        title: The beginning of the first user text, until the chat is renamed; None: there is no
            text.
        created_at: The time of the first write, in UTC.
        updated_at: The time of the last write, in UTC.
        active_run_id: Id of the run that is writing in the chat; None: there is none.
    """

    id: str
    title: str | None
    created_at: datetime
    updated_at: datetime
    active_run_id: str | None


@dataclass(frozen=True, slots=True)
class ChatPage:
    """One page of a user's chats, the most recently updated first.

    Attributes:
        chats: The chats of this page.
        next_cursor: The cursor of the next page; None: this is the last one.
    """

    chats: Sequence[Chat]
    next_cursor: str | None


@dataclass(frozen=True, slots=True)
class StoredChat:
    """A chat with its messages.

    Attributes:
        chat: The chat.
        messages: Its messages, oldest first.
        active_message_id: Id of the message that the active run writes, which `messages` has as of
            its last checkpoint; None: no run is active.
    """

    chat: Chat
    messages: Sequence[UIMessage]
    active_message_id: str | None


@dataclass(frozen=True, slots=True)
class Branch:
    """Messages that an edit or a regeneration replaced.

    Attributes:
        number: The number of the branch, from 1 on, in order of replacement.
        after: Id of the message that they followed; None: they were the first.
        messages: The replaced messages, oldest first.
    """

    number: int
    after: str | None
    messages: Sequence[UIMessage]


@dataclass(frozen=True, slots=True)
class StoredTurn:
    """A turn of a chat and its usage.

    Attributes:
        run_id: Id of the run.
        message_id: Id of the assistant message that it wrote.
        outcome: How the run ended; None: it has not ended.
        started_at: The time of its start, in UTC.
        ended_at: The time of its end, in UTC; None: it has not ended.
        steps: Its model calls, with their usage.
    """

    run_id: str
    message_id: str
    outcome: Outcome | None
    started_at: datetime
    ended_at: datetime | None
    steps: Sequence[Step]


@dataclass(frozen=True, slots=True)
class OpenTurn:
    """A turn without a stored end: it is running, or its process is gone.

    Attributes:
        user: The user's id; None: the app has no users.
        chat_id: Id of the chat.
        run_id: Id of the run.
        message_id: Id of the assistant message that it writes.
        epoch: The epoch of its last write.
        has_owner: Whether a process owns it, or owned it last; False: a former release began it.
    """

    user: str | None
    chat_id: str
    run_id: str
    message_id: str
    epoch: int
    has_owner: bool


@runtime_checkable
class StopsRuns(Protocol):
    """A store that stops the run of a chat before it deletes the chat."""

    def stop_runs_with(self, stop: Callable[[str | None, str], Awaitable[None]]) -> None:
        """Set what stops the run of a user's chat, for calls in the running event loop."""
        ...


class ChatStore(Protocol):
    """The interface of a store.

    An app reads and changes chats with `list`, `get`, `rename`, `delete`, `branches` and `turns`;
    the server calls the others. `user` is what the app's `user=` returned, or None without it.

    The methods work in any event loop and hold no connection after they returned. All of them
    raise StoreUnavailable if the database cannot be reached.
    """

    #: approval requests for tool calls in these chats
    approvals: Approvals
    #: who owns the runs in these chats
    ownership: Ownership

    async def open(self) -> None:
        """Check that the store can be used; called at startup, or with the first request.

        Raises:
            ValueError: The operator has to do something first, which the message names.
        """
        ...

    async def ping(self) -> None:
        """Check that the store can be read and written now; called by the readiness probe."""
        ...

    async def aclose(self) -> None:
        """Close the connections of the running event loop. The store can be used again."""
        ...

    async def turn(
        self, request: ChatRequest, user: str | None, client_version: ClientVersion
    ) -> Turn:
        """Return the turn to run: the stored history with what the request may change in it.

        Writes nothing, except the end of an open turn that no process runs any more. The caller
        holds the chat's lease, since a write of another run between this call and `begin` makes
        `begin` fail.

        Args:
            request: The checked body of the request.
            user: The user's id; None: the app has no users.
            client_version: The oldest client that must be able to read the response.

        Returns:
            The turn, with the revision of the chat that it was made from.

        Raises:
            ChatBusy: Another process owns an open turn of the chat.
            ChatError: The request does not fit the stored chat.
        """
        ...

    async def begin(
        self, turn: Turn, *, run_id: str, epoch: int = 0, request_digest: str = ""
    ) -> int:
        """Store the start of a turn before any model call, with what is new in its history: the
        user's message, tool outputs and approvals, or an edit.

        Args:
            turn: The turn, as `turn` returned it.
            run_id: Id of the run that executes it.
            epoch: Fencing token of the run's lease, up to 2**63 - 1. Writes with a smaller one
                than the last are ignored.
            request_digest: Digest of the request, the same whenever a client repeats it.

        Returns:
            The epoch, which is higher than that of earlier turns unless it is 0.

        Raises:
            ChatChanged: The stored chat has changed since `turn` returned.
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
        log_position: str | None = None,
    ) -> bool:
        """Store the end of a turn: the whole message (unless it is empty), outcome and model calls.

        Only the first call counts. It can be repeated after StoreUnavailable.

        Args:
            turn: The turn, as `turn` returned it.
            message: The whole assistant message.
            outcome: How the run ended.
            steps: Its model calls, in order.
            run_id: Id of the run.
            epoch: Fencing token of the run's lease, as for `begin`.
            log_position: Up to where the log was read.

        Returns:
            False if nothing was stored: the chat was deleted, or the message belongs to a newer run
            or to a newer epoch of this one.
        """
        ...

    async def open_turns(self) -> Sequence[OpenTurn]:
        """Return the turns without an end, of all users. Called at startup."""
        ...

    async def interrupt(self, run_ids: Collection[str]) -> None:
        """End open turns that no process runs, with their messages as of the last checkpoint.

        Args:
            run_ids: Ids of their runs. Other ids are ignored.
        """
        ...

    async def list(self, user: str | None, cursor: str | None, limit: int) -> ChatPage:
        """Return a page of the user's chats, the most recently updated first.

        Args:
            user: The user's id; None: the app has no users.
            cursor: `next_cursor` of the previous page; None for the first page.
            limit: The most chats on the page.

        Returns:
            The page, which may be empty.

        Raises:
            InvalidRequest: The cursor is not one that this method returned.
        """
        ...

    async def get(self, user: str | None, chat_id: str) -> StoredChat | None:
        """Return a chat of the user, or None if the user has no chat with this id.

        Args:
            user: The user's id; None: the app has no users.
            chat_id: Id of the chat.
        """
        ...

    async def rename(self, user: str | None, chat_id: str, title: str) -> Chat | None:
        """Set the title of a chat.

        Args:
            user: The user's id; None: the app has no users.
            chat_id: Id of the chat.
            title: The new title.

        Returns:
            The chat with its new title, or None if there is no such chat.
        """
        ...

    async def delete(self, user: str | None, chat_id: str) -> bool:
        """Delete a chat and all that belongs to it.

        Args:
            user: The user's id; None: the app has no users.
            chat_id: Id of the chat.

        Returns:
            Whether there was such a chat.
        """
        ...

    async def branches(
        self, user: str | None, chat_id: str, *, after: int = 0, limit: int | None = None
    ) -> Sequence[Branch] | None:
        """Return what was replaced in a chat, oldest first, or None if there is no such chat.

        Args:
            user: The user's id; None: the app has no users.
            chat_id: Id of the chat.
            after: The number of the last branch of the previous page.
            limit: The most branches on the page; None: all.
        """
        ...

    async def turns(
        self, user: str | None, chat_id: str, *, after: str | None = None, limit: int | None = None
    ) -> Sequence[StoredTurn] | None:
        """Return a chat's turns, oldest first, or None if there is no such chat.

        Args:
            user: The user's id; None: the app has no users.
            chat_id: Id of the chat.
            after: The run id of the last turn of the previous page.
            limit: The most turns on the page; None: all.
        """
        ...
