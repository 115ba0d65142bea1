"""The text of a delta: the time at which it was written, and its number."""

from __future__ import annotations

import re
import time

__all__ = ["DELTA_BYTES", "STAMP_PATTERN", "delta_text", "monotonic_us"]

#: Length of every delta. Its last byte is its only "~", so that counting "~" counts deltas.
DELTA_BYTES = 20
#: The two numbers of a delta: microseconds of the monotonic clock, and the delta's number.
STAMP_PATTERN = re.compile(rb"(\d{13})(\d{6})~")


def delta_text(written_at: int, number: int) -> bytes:
    """Return the text of a delta, DELTA_BYTES long.

    Args:
        written_at: microseconds of the monotonic clock.
        number: position of the delta in its stream, from 0.
    """
    return b"%013d%06d~" % (written_at, number)


def monotonic_us() -> int:
    """Return the microseconds of the monotonic clock, which all processes of a machine share."""
    return time.monotonic_ns() // 1000
