"""Runs scenarios: the client in Node, against the fake provider."""

from __future__ import annotations

import json
import re
import threading
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.clients.scenario import SECRET, Scenario
from tests.harness.fake_provider import FakeProvider, RecordedRequest, Reply, http_error
from tests.harness.node import NodeProcess

__all__ = ["NEWEST", "RELEASES", "Conversation", "Conversations", "Target"]

#: The installed releases of `ai`; the last of each major has its useChat beside it.
RELEASES = (
    *("5.0.0", "5.0.92", "5.0.216", "5.0.277"),
    *("6.0.0", "6.0.230", "6.0.326"),
    *("7.0.0", "7.0.31", "7.0.173"),
)
NEWEST = ("5.0.277", "6.0.326", "7.0.173")

#: Seconds after which a conversation that has not ended is an error.
DEADLINE = 60.0
#: Every user message begins with it, so that the fake provider knows the conversation.
_TOKEN = re.compile(r"chat-\d+: ")


@dataclass(frozen=True)
class Target:
    """A client release, and the client version that its requests name (None: the default)."""

    release: str
    client_version: str | None
    #: the real useChat in React, instead of AbstractChat
    hook: bool = False

    def __str__(self) -> str:
        kind = "useChat" if self.hook else "ai"
        return f"{kind}-{self.release}-at-{self.client_version or 'default'}"


@dataclass
class Conversation:
    """One scenario with one client."""

    scenario: Scenario
    token: str
    provider_requests: list[RecordedRequest] = field(default_factory=list)
    _future: Future[Any] = field(default_factory=Future)

    def transcript(self) -> Any:
        """Return what the client recorded.

        Raises:
            RuntimeError: The scenario did not complete.
        """
        return self._plain(self._future.result(DEADLINE))

    def turns(self) -> list[Any]:
        """Return the turns of each request to the provider, in a normal form."""
        return [
            [
                {"role": turn["role"], "content": _blocks(turn["content"])}
                for turn in self._plain(request.json)["messages"]
            ]
            for request in self.provider_requests
        ]

    def _plain(self, value: Any) -> Any:
        return json.loads(json.dumps(value).replace(self.token, ""))


def _blocks(content: str | list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return content blocks without cache marks, and tool results as decoded values."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}]
    blocks = [{k: v for k, v in block.items() if k != "cache_control"} for block in content]
    for block in blocks:
        if block["type"] == "tool_result":
            block["content"] = _value(block.get("content", ""))
            if block.get("is_error") is False:
                del block["is_error"]
    return blocks


def _value(content: str | list[dict[str, Any]]) -> Any:
    if not isinstance(content, str):
        content = "".join(block["text"] for block in content)
    try:
        return json.loads(content)
    except ValueError:
        return content


class Conversations:
    """Runs conversations concurrently, against one backend and its provider."""

    def __init__(self, node: NodeProcess, provider: FakeProvider, url: str) -> None:
        self.provider = provider
        self._node = node
        self._url = url
        self._lock = threading.Lock()
        self._by_token: dict[str, Conversation] = {}
        provider.on(self._reply)

    def start(self, scenario: Scenario, target: Target) -> Conversation:
        """Start a scenario with a client."""
        conversation = self._add(scenario)
        token = conversation.token
        conversation._future = self._node.submit(
            "chat",
            url="/".join(filter(None, [self._url, scenario.app, f"api/{scenario.route}"])),
            release=target.release,
            hook=target.hook,
            headers={"x-usechat-client": target.client_version} if target.client_version else {},
            chatId=_chat_id(token),
            pageTools=scenario.client_tools or {},
            resume=scenario.resume,
            transport=scenario.transport,
            frontEnd=scenario.front_end or {},
            messages=list(scenario.messages),
            actions=[_with_token(action, token) for action in scenario.actions],
        )
        return conversation

    def ask(
        self, path: str, prompt: str, *replies: Reply, wrap: str = "", **options: Any
    ) -> Conversation:
        """Ask once through a hook that has no chat.

        Args:
            path: The route.
            prompt: The question.
            *replies: Those of the provider.
            wrap: The key under which the question is sent; it is sent as it is without one.
            **options: See `driver/one_shot.mjs`.
        """
        conversation = self._add(Scenario(name=path, replies=replies, actions=[]))
        text = conversation.token + prompt
        conversation._future = self._node.submit(
            "ask",
            url=f"{self._url}/{path}",
            chatId=_chat_id(conversation.token),
            input={wrap: text} if wrap else text,
            **options,
        )
        return conversation

    def _add(self, scenario: Scenario) -> Conversation:
        with self._lock:
            token = f"chat-{len(self._by_token)}: "
            conversation = self._by_token[token] = Conversation(scenario, token)
        return conversation

    def wait_for_event(self, name: str, conversation: Conversation) -> None:
        """Wait for an event of the backend."""
        url = f"{self._url}/moments/{name}/{_chat_id(conversation.token)}"
        httpx.get(url, timeout=DEADLINE).raise_for_status()

    def _reply(self, request: RecordedRequest) -> Reply:
        match = _TOKEN.search(request.body.decode())
        conversation = self._by_token[match[0]] if match else None
        if conversation is None:
            return http_error(400, text="expected a known conversation")
        conversation.provider_requests.append(request)
        replies = conversation.scenario.replies
        if len(conversation.provider_requests) > len(replies):
            return http_error(400, text=f"{SECRET}: unexpected request")
        return replies[len(conversation.provider_requests) - 1]


def _chat_id(token: str) -> str:
    return token.strip(": ")


def _with_token(action: dict[str, Any], token: str) -> dict[str, Any]:
    [(verb, argument)] = action.items()
    if verb in ("send", "start", "edit"):
        argument = {**argument, "text": token + argument["text"]}
    return {verb: argument}
