"""Writing an answer in plain code: what an app says itself, and the streams that it merges."""

from usechat_server.writing.answered import answered
from usechat_server.writing.stream_writer import AnswerFunction, StreamWriter
from usechat_server.writing.streamed import streamed

__all__ = ["AnswerFunction", "StreamWriter", "answered", "streamed"]
