"""Write a response by hand: StreamWriter, and the streams that it merges."""

from usechat_server.compose.handler_stream import emitted_items, handler_chunks
from usechat_server.compose.stream_writer import ChatHandler, StreamWriter

__all__ = ["ChatHandler", "StreamWriter", "emitted_items", "handler_chunks"]
