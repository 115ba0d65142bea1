"""What Linux knows about a process: CPU time in nanoseconds, memory."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["cpu_seconds", "peak_rss_bytes", "rss_bytes", "waited_seconds"]

_PAGE = os.sysconf("SC_PAGE_SIZE")


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads so far. /proc/PID/stat counts in ticks of 10 ms; a
    process's CPU clock (clock_getcpuclockid(3)) is exact."""
    return time.clock_gettime_ns((~pid << 3) | 2) / 1e9


def waited_seconds(pid: int) -> float:
    """How long the main thread could have run but had no core, because of other jobs."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]) / 1e9


def rss_bytes(pid: int) -> int:
    """Memory that is resident now."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE


def peak_rss_bytes(pid: int) -> int:
    """The most memory that was ever resident."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024
