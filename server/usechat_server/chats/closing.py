"""A message whose run is gone, as it would have ended."""

from __future__ import annotations

from ui_message_stream.expand import expand
from ui_message_stream.messages import UIMessage
from ui_message_stream.reduce import reduce
from ui_message_stream.versions import NEWEST_FLOOR
from ui_message_stream.writer import Writer

__all__ = ["closed"]


def closed(message: UIMessage) -> UIMessage:
    """The message with every part ended, and so that no page goes on with it by itself."""
    writer = Writer(floor=NEWEST_FLOOR)
    said = [sent for chunk in expand(message, NEWEST_FLOOR) for sent in writer.write(chunk)]
    return reduce([*said, *writer.abort()])
