"""An app's own code as the answer to a turn."""

from __future__ import annotations

from ui_message_stream.chunks import FinishReason

from usechat_server.metadata import MetadataHook
from usechat_server.runs.accounts import Accounts
from usechat_server.runs.output import Output
from usechat_server.writing import AnswerFunction, StreamWriter

__all__ = ["CodeAnswer"]


class CodeAnswer:
    """Answers one turn with a function (see Answering)."""

    #: the function writes its own
    metadata: MetadataHook | None = None

    def __init__(self, answer: AnswerFunction) -> None:
        self.name = getattr(answer, "__name__", type(answer).__name__)
        self._answer = answer

    async def answer(self, output: Output, accounts: Accounts) -> FinishReason | None:
        writer = StreamWriter(output.append, output.turn.floor)
        await self._answer(output.turn, writer)
        return writer.finish_reason

    async def aclose(self) -> None:
        pass
