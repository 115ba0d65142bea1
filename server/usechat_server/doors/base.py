"""What every door is: the shape of a request, an encoding, and what its client cannot do."""

from __future__ import annotations

import logging
import re
import secrets
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from starlette.requests import Request
from ui_message_stream.messages import TextPart, UIMessage
from ui_message_stream.versions import OLDEST_CLIENT_VERSION, ClientVersion

from usechat_server.agent import Agent
from usechat_server.chat_request import ChatRequest
from usechat_server.errors import InvalidRequest
from usechat_server.run_log.encoding import Encoding
from usechat_server.settings import Settings
from usechat_server.tools import ClientTool

__all__ = ["PLAIN_CLIENT", "Door", "check_agent", "check_doors", "question_request"]

logger: logging.Logger = logging.getLogger("usechat.app")

#: A client that shows text and nothing of the protocol: no approval requests, no resets.
PLAIN_CLIENT = OLDEST_CLIENT_VERSION

_PATH = re.compile(r"(/[^/{}?#]+)+")
#: First segments of the paths that every app has.
_RESERVED = ("chat", "chats")


@dataclass(frozen=True)
class Door(ABC):
    """A way in for a kind of client.

    Attributes:
        path: The path of its route, below the prefix.
        client_version: What its responses are made of; None: the request names it.
        has_chat: Whether a request is a turn of a chat. Else it stands for itself: nothing is
            stored, and no other request can be about the same run.
        can_resume: Whether a client that lost its connection can come back to its run. Else the run
            ends with the connection.
        can_ask: Whether the client can run tools and show requests for approval.
    """

    path: str

    client_version: ClassVar[ClientVersion | None] = PLAIN_CLIENT
    has_chat: ClassVar[bool] = False
    can_resume: ClassVar[bool] = False
    can_ask: ClassVar[bool] = False

    @abstractmethod
    def parse(self, request: Request, body: bytes, settings: Settings) -> ChatRequest:
        """Return the request that a body is.

        Args:
            request: The request.
            body: The body, whatever its content type.
            settings: The limits.

        Raises:
            InvalidRequest: It is none.
            PayloadTooLarge: It is too large.
        """

    @abstractmethod
    def encoding(self, request: Request, client_version: ClientVersion, chat_id: str) -> Encoding:
        """Return the encoding of the response to a request.

        Args:
            request: The request.
            client_version: What the response is made of.
            chat_id: The id of the chat.

        Raises:
            InvalidRequest: The request asks for one that does not exist.
        """

    def check(self, agent: Agent) -> None:
        """Check an agent that is to respond.

        Args:
            agent: The agent.

        Raises:
            ValueError: The door cannot be used with it.
        """
        if self.can_ask:
            return
        spec, name = agent.spec, type(self).__name__
        if tools := [tool.name for tool in spec.tools if isinstance(tool, ClientTool)]:
            raise ValueError(
                f"doors: {name}() cannot run client tools, and this agent has {', '.join(tools)}"
            )
        if spec.may_require_approval:
            raise ValueError(
                f"doors: {name}() cannot show requests for approval, and this agent has tools that "
                "need it"
            )


def check_doors(doors: Sequence[Door], agent: Agent | None) -> None:
    """Check `doors=`.

    Args:
        doors: The doors.
        agent: The app's agent, if it has one for all turns.

    Raises:
        TypeError: One of them is no door.
        ValueError: One of them cannot be used with the agent, or its path is taken or is none.
    """
    for door in doors:
        if not isinstance(door, Door):
            got = f"the class {door.__name__}" if isinstance(door, type) else type(door).__name__
            raise TypeError(f"doors: expected doors such as Text(), got {got}")
        if not _PATH.fullmatch(door.path) or door.path.split("/")[1] in _RESERVED:
            raise ValueError(f"doors: expected a path such as '/text', got {door.path!r}")
        if agent is not None:
            door.check(agent)
    paths = [door.path for door in doors]
    if twice := [path for path in paths if paths.count(path) > 1]:
        raise ValueError(f"doors: two of them have the path {twice[0]!r}")


def check_agent(door: Door, agent: Agent) -> None:
    """Check the agent of a turn that came through a door.

    Raises:
        InvalidRequest: The door cannot be used with it.
    """
    try:
        door.check(agent)
    except ValueError as error:
        logger.warning("%s", error)
        raise InvalidRequest("This route cannot be used for this chat.") from None


def question_request(text: str, fields: dict[str, Any], chat_id: str | None = None) -> ChatRequest:
    """Return the request of a question that comes without a history.

    Args:
        text: The question.
        fields: The app's own fields.
        chat_id: The id of the chat, if the client has one.
    """
    question = UIMessage(
        id=f"usr_{secrets.token_urlsafe(16)}", role="user", parts=[TextPart(text=text)]
    )
    return ChatRequest(
        chat_id=chat_id or secrets.token_urlsafe(16),
        trigger="submit-message",
        message_id=None,
        messages=[question],
        message=None,
        body=fields,
    )
