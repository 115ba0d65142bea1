"""bench/calls.py runs, and follows a delta through both packages to `send`."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "bench" / "calls.py"


def test_the_calls_of_a_delta_are_listed_without_and_with_a_store() -> None:
    result = subprocess.run(
        [sys.executable, SCRIPT, "--warm-up", "2", "--deltas", "5"],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    _, without, stored = result.stdout.split("## ")
    for table in (without, stored):
        assert " server/usechat_server/" in table
        assert " protocol/ui_message_stream/" in table
        assert "measured: 5 deltas" in table
    # Each call costs every delta of every stream: what adds one needs a reason.
    [(calls, lines)] = re.findall(r"(\d+) +\d+ +\d+  total: .*longest: (\d+) lines", without, re.S)
    assert int(calls) <= 23
    assert int(lines) <= 60
