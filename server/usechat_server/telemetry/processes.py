"""Metrics of several processes: each writes its own to files in a folder that all of them read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from tempfile import TemporaryDirectory

__all__ = ["forget_process", "shared_metrics"]

#: The variable of Prometheus' client library. A process reads it when it imports the library.
_FOLDER = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def shared_metrics() -> Iterator[None]:
    """Let the processes that are started in the block share their metrics, in a folder that is
    removed at its end, unless the environment names one."""
    if _FOLDER in os.environ or find_spec("prometheus_client") is None:
        yield
        return
    with TemporaryDirectory(prefix="usechat-metrics-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            del os.environ[_FOLDER]


def forget_process(pid: int | None) -> None:
    """Forget the runs and readers of a process that has ended. Its counts stay."""
    if _FOLDER in os.environ:
        from prometheus_client import multiprocess

        multiprocess.mark_process_dead(pid)  # type: ignore[no-untyped-call]
