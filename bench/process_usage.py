"""CPU time and memory of a process, as Linux reports them."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["cpu_seconds", "cpu_wait_seconds", "peak_rss_bytes", "rss_bytes"]

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """Return the user and system time of all threads so far, in seconds.

    /proc/PID/stat counts in ticks of 10 ms; the CPU clock of a process is exact.

    Source: clock_getcpuclockid(3)
    """
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def cpu_wait_seconds(pid: int) -> float:
    """Return how long the main thread was ready to run but waited for a core, in seconds."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def rss_bytes(pid: int) -> int:
    """Return the resident set size, in bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES


def peak_rss_bytes(pid: int) -> int:
    """Return the largest resident set size so far, in bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
