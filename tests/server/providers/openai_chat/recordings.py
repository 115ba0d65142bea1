"""Recorded streams of Chat Completions: one line per chunk, responses one after another."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx2
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from ui_message_stream.versions import ClientVersion
from usechat_server.providers.openai_chat import OpenAIChat

from tests.server.providers.recorded_conversation import RecordedConversation

__all__ = ["Recording", "others", "our_own", "recorded_chat"]

#: Ours: one per oddity of the servers with this API.
FIXTURES = Path(__file__).parent / "fixtures"

_SUFFIX = ".chunks.txt"


@dataclass(frozen=True)
class Recording:
    """One recorded conversation."""

    name: str
    #: each response's payloads
    responses: list[list[str]]

    @classmethod
    def read(cls, path: Path) -> Recording:
        """Read a file. A response begins where the id of the chunks changes."""
        responses: list[list[str]] = []
        last_id: str | None = None
        for line in path.read_text().splitlines():
            if not line.strip():
                continue
            chunk_id = json.loads(line).get("id") or last_id
            if not responses or (last_id is not None and chunk_id != last_id):
                responses.append([])
            last_id = chunk_id
            responses[-1].append(line)
        return cls(path.name.removesuffix(_SUFFIX), responses)

    @property
    def api(self) -> str:
        """The package that is the reference: OpenAI's own, or that for other servers."""
        is_openai = self.name.startswith("openai-") and "compatible" not in self.name
        return "openai-chat" if is_openai else "openai-compatible"

    @property
    def question(self) -> dict[str, Any]:
        return {"id": "question", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}

    @cached_property
    def chunks(self) -> list[Any]:
        """Every chunk of every response."""
        return [json.loads(line) for response in self.responses for line in response]

    @cached_property
    def deltas(self) -> list[dict[str, Any]]:
        choices = [c for chunk in self.chunks for c in chunk.get("choices") or ()]
        return [choice.get("delta") or {} for choice in choices]

    @cached_property
    def client_tools(self) -> list[str]:
        functions = [
            call.get("function") or {}
            for delta in self.deltas
            for call in delta.get("tool_calls") or ()
        ]
        functions += [delta["function_call"] for delta in self.deltas if "function_call" in delta]
        names = {function.get("name") or "" for function in functions}
        return sorted(name for name in names if name.strip() and name != "unknown")

    @cached_property
    def last_finish_reason(self) -> str | None:
        choices = [c for chunk in self.chunks for c in chunk.get("choices") or ()]
        return next((c["finish_reason"] for c in choices[::-1] if c.get("finish_reason")), None)

    def pauses_after(self, response: int) -> bool:
        return False


def our_own() -> list[Recording]:
    """The recordings of this project."""
    return _read(FIXTURES)


def others() -> list[Recording]:
    """The recordings in the folder that `OPENAI_CHAT_STREAMS` names; none if it is not set."""
    folder = os.environ.get("OPENAI_CHAT_STREAMS")
    return _read(Path(folder)) if folder else []


def recorded_chat(recording: Recording, client_version: ClientVersion) -> RecordedConversation:
    """Return a conversation with our model that replays a recording."""
    return RecordedConversation(recording, client_version, "/chat/completions", _model)


def _model(transport: httpx2.AsyncBaseTransport) -> OpenAIChat:
    http_client = DefaultAsyncHttpxClient(transport=transport)
    client = AsyncOpenAI(api_key="none", max_retries=0, http_client=http_client)
    return OpenAIChat("gpt-4.1", client=client)


def _read(folder: Path) -> list[Recording]:
    recordings = [Recording.read(path) for path in sorted(folder.glob(f"*{_SUFFIX}"))]
    assert recordings, f"no recordings in {folder}"
    return recordings
