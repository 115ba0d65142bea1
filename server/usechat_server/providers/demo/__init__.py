"""A model that needs no key: the same question always gets the same answer, at a model's pace."""

from __future__ import annotations

from collections import deque

from usechat_server.errors import InvalidRequest
from usechat_server.providers.base import ModelCall, ModelStream
from usechat_server.providers.demo.question import question_of
from usechat_server.providers.demo.script import asks_for_error, choose
from usechat_server.providers.demo.stream import DemoStream
from usechat_server.tools import ProviderTool

__all__ = ["DemoModel"]


class DemoModel:
    """Shows what a page can show: reasoning, Markdown, tools, sources, files, an error.

    It calls the tools of the demo, and any other that a question names. `pace` stretches the pauses
    between the deltas: 1 is a real model's speed, 0 leaves them out.
    """

    name = "demo"
    requires: frozenset[str] = frozenset()

    def __init__(self, *, pace: float = 1.0) -> None:
        self._pace = pace
        #: ids of the questions that failed on purpose: asked again they succeed, so Retry works
        self._failed: deque[str] = deque(maxlen=100)

    def check(self, call: ModelCall) -> None:
        """Raises ValueError for tools that a provider would have to run, and for `output`."""
        if call.output is not None:
            raise ValueError("output: the demo model answers in words only")
        for tool in call.tools:
            if isinstance(tool, ProviderTool):
                raise ValueError(f"tools: the demo model has no {tool.name}")

    def stream(self, call: ModelCall) -> ModelStream:
        """Picks the answer. Raises ChatError if there is no question to answer."""
        question = question_of(call)
        if question is None:
            raise InvalidRequest("There is no question to answer.")
        fail = asks_for_error(question) and question.id not in self._failed
        if fail:
            self._failed.append(question.id)
        script_events = choose(question, fail=fail)
        return DemoStream(script_events, question, call.messages, self._pace)

    async def aclose(self) -> None:
        """There is nothing to close."""
