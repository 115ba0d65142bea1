"""The databases and the Redis that some servers need, as the settings that name them."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Literal

sys.path.append(str(Path(__file__).parents[1]))

from tests.harness.postgres import postgres_server
from tests.harness.redis_server import RedisServer

__all__ = ["Service", "start_services"]

Service = Literal["sqlite", "postgres", "redis"]


@contextmanager
def start_services(names: tuple[Service, ...]) -> Iterator[dict[str, str]]:
    """Start services that end with the block.

    Returns:
        The environment variables that make a server use them.
    """
    with ExitStack() as stack:
        environment = {}
        if "sqlite" in names:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            environment["USECHAT_STORE"] = f"sqlite:///{folder}/chats.db"
        if "postgres" in names:
            environment["USECHAT_STORE"] = stack.enter_context(postgres_server()).database()
        if "redis" in names:
            environment["USECHAT_REDIS_URL"] = stack.enter_context(RedisServer()).url
        yield environment
