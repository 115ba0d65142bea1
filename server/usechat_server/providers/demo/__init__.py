"""The demo model: needs no API key, and gives the same response to the same question."""

from __future__ import annotations

from collections import deque

from usechat_server.errors import InvalidRequest
from usechat_server.providers.base import ModelCall, ModelStream
from usechat_server.providers.demo.question import read_question
from usechat_server.providers.demo.script import asks_for_error, choose_script
from usechat_server.providers.demo.stream import DemoStream
from usechat_server.tools import ProviderTool

__all__ = ["DemoModel"]


class DemoModel:
    """Streams what a client can show: reasoning, Markdown, tools, sources, files, an error.

    It calls the tools of the demo, and any other tool that a question mentions.

    Args:
        pace: Stretches the pauses between deltas: 1 is a real model's speed, 0 leaves them out.
    """

    name = "demo"
    provider = "demo"
    #: every client version can read everything that this model sends
    requires: frozenset[str] = frozenset()

    def __init__(self, *, pace: float = 1.0) -> None:
        self._pace = pace
        #: ids of the questions that failed on purpose: they succeed on a retry
        self._failed_ids: deque[str] = deque(maxlen=100)

    def check(self, call: ModelCall) -> None:
        """Check what the agent was set up with.

        Raises:
            ValueError: There is an output type, or a tool that a provider would have to execute.
        """
        if call.output is not None:
            raise ValueError("output: the demo model responds with text only")
        for tool in call.tools:
            if isinstance(tool, ProviderTool):
                raise ValueError(f"tools: the demo model does not support {tool.name}")

    def stream(self, call: ModelCall) -> ModelStream:
        """Choose the response.

        Raises:
            InvalidRequest: There is no user message.
        """
        question = read_question(call)
        if question is None:
            raise InvalidRequest("There is no message to respond to.")
        fail = asks_for_error(question) and question.id not in self._failed_ids
        if fail:
            self._failed_ids.append(question.id)
        script = choose_script(question, fail=fail)
        return DemoStream(script, question, call.messages, self._pace)

    async def aclose(self) -> None:
        """Do nothing: there is nothing to close."""
