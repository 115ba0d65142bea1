"""Start the demo: a real server with the demo model and the built demo page."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.harness.serving import SCRIPTS, ServerProcess, serve

__all__ = ["INDEX_HTML", "serve_demo", "serve_demo_with_store"]

#: The entry point of the built demo page.
INDEX_HTML = Path(__file__).parents[2] / "server" / "usechat_server" / "page" / "index.html"


def serve_demo(agent: str, **env: str) -> AbstractContextManager[ServerProcess]:
    """Serve an agent and the demo page, without a store, until the block ends.

    Args:
        agent: The import string of an agent or agent factory, `module:name`.
        env: Additional environment variables of the server.
    """
    if not INDEX_HTML.is_file():
        pytest.skip("needs the built demo page: run make page")
    env = {"USECHAT_PAGE": "true", "ANTHROPIC_API_KEY": "", **env}
    return serve(agent, "usechat", env=env)


@contextmanager
def serve_demo_with_store(agent: str, directory: Path, **env: str) -> Iterator[ServerProcess]:
    """Serve an agent and the demo page with a new SQLite store in a directory."""
    store = f"sqlite:///{directory}/chats.db"
    subprocess.run([SCRIPTS / "usechat-server", "db", "upgrade", "--store", store], check=True)
    with serve_demo(agent, USECHAT_STORE=store, **env) as server:
        yield server
