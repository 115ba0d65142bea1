"""The backends that are compared, at pinned versions: how to install and start them."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer"]

_FOLDER = Path(__file__).parent / "peers"
_ROOT = Path(__file__).parents[1]
_START_SECONDS = 60


@dataclass(frozen=True)
class Peer:
    """A backend.

    Attributes:
        name: Its name.
        folder: Its folder under `peers/`.
        package: The package, as its registry names it; "" for this repository.
        client_version: The oldest client that it says it supports.
        note: What a reader has to know about the app.
    """

    name: str
    folder: str
    package: str
    client_version: str
    note: str

    @property
    def path(self) -> Path:
        """The folder of its app."""
        return _FOLDER / self.folder

    @property
    def version(self) -> str:
        """The version that is pinned."""
        if not self.package:
            return "this commit"
        lock = self.path / "package.json"
        text = lock.read_text() if lock.exists() else (self.path / "requirements.txt").read_text()
        match = re.search(rf'"?{re.escape(self.package)}"?(?:: "|==)([\d.]+)', text)
        assert match, self.package
        return match[1]

    def install(self) -> None:
        """Install the pinned packages in the folder, unless they are installed."""
        if not self.package:
            return
        is_npm = (self.path / "package.json").exists()
        lock = self.path / ("package-lock.json" if is_npm else "requirements.txt")
        target = self.path / ("node_modules" if is_npm else ".venv")
        installed = target / lock.name
        if installed.exists() and installed.read_bytes() == lock.read_bytes():
            return
        print(f"installing {self.name}", file=sys.stderr)
        if is_npm:
            _run("npm", "ci", "--no-fund", "--no-audit", "--loglevel=error", cwd=self.path)
        else:
            _run(sys.executable, "-m", "venv", "--clear", str(target))
            pip = [str(target / "bin" / "python"), "-m", "pip", "install", "--quiet"]
            _run(*pip, "-r", str(lock))
        shutil.copy(lock, installed)

    @contextmanager
    def serve(self, provider_url: str) -> Iterator[str]:
        """Serve the app, and return the URL of its chat route.

        Args:
            provider_url: The model that it uses.
        """
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = str(probe.getsockname()[1])
        environment = os.environ | {
            "PORT": port,
            "ANTHROPIC_BASE_URL": provider_url,
            "ANTHROPIC_API_KEY": "any",
        }
        if not self.package:
            environment["PYTHONPATH"] = os.pathsep.join([str(_ROOT), *sys.path])
        with (self.path / "server.log").open("wb") as log:
            process = subprocess.Popen(
                self._command(port), cwd=self.path, env=environment, stdout=log, stderr=log
            )
            try:
                _wait_until_listening(process, int(port))
                yield f"http://127.0.0.1:{port}/api/chat"
            finally:
                process.terminate()
                process.wait()

    def _command(self, port: str) -> list[str]:
        if (self.path / "package.json").exists():
            node = self.path / "node_modules" / "node" / "bin" / "node"
            return [str(node), "server.mjs"]
        python = str(self.path / ".venv" / "bin" / "python") if self.package else sys.executable
        return [python, "-m", "uvicorn", "app:app", "--port", port, "--log-level", "warning"]


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=600)


def _wait_until_listening(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not accept connections: see its server.log")


PEERS = (
    Peer(
        "usechat-server",
        "usechat",
        "",
        "5.0.92",
        "`create_app(Agent(…))` with `resume=30`.",
    ),
    Peer(
        "AI SDK on Node",
        "aisdk",
        "ai",
        "7.0.173",
        "`streamText` in the route of its documentation. It has no parser of bodies and no resume "
        "route of its own: what the route does with an exception is up to the app, here 500.",
    ),
    Peer(
        "pydantic-ai",
        "pydantic_ai",
        "pydantic-ai-slim",
        "6.0.0",
        "`VercelAIAdapter.dispatch_request` with `sdk_version=6`.",
    ),
    Peer(
        "ai-sdk-stream-python",
        "ai_sdk_stream_python",
        "ai-sdk-stream-python",
        "6.0.0",
        "It writes chunks; the loop around the model and the reading of the history are the app's.",
    ),
    Peer(
        "assistant-stream",
        "assistant_stream",
        "assistant-stream",
        "5.0.92",
        "Its `DataStreamResponse` speaks the protocol of AI SDK 4: this is what the suite says "
        "about a response that is no UI message stream.",
    ),
)
