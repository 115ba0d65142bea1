"""The published npm clients as judges: whether they can read a response."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ui_message_stream.chunks import Error
from ui_message_stream.messages import UIMessage
from ui_message_stream.versions import ClientVersion

from usechat_server.conformance.recording import Recording
from usechat_server.conformance.results import Problem

__all__ = ["ClientUnavailable", "NpmClient", "client_problems"]

_SCRIPT = Path(__file__).with_name("client.mjs")
_SECONDS = 300


class ClientUnavailable(Exception):
    """A client cannot be installed or run; the text says why, in one line."""


def cache_directory() -> Path:
    """Return the folder of the user in which clients are installed."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "usechat-server" / "clients"


@dataclass(frozen=True)
class NpmClient:
    """A release of the npm package `ai`.

    Attributes:
        version: The release.
        folder: Where it is installed.
    """

    version: ClientVersion
    folder: Path

    @classmethod
    def install(cls, version: ClientVersion) -> NpmClient:
        """Install the release with npm, unless it is installed.

        Raises:
            ClientUnavailable: There is no Node or no npm, or npm cannot install the release.
        """
        folder = cache_directory() / str(version)
        if shutil.which("node") is None:
            raise ClientUnavailable("--clients requires Node, which is not on the PATH")
        if not (folder / "node_modules" / "ai").exists():
            npm = shutil.which("npm")
            if npm is None:
                raise ClientUnavailable("--clients requires npm, which is not on the PATH")
            folder.mkdir(parents=True, exist_ok=True)
            options = ["--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"]
            _run([npm, "install", "--prefix", str(folder), *options, f"ai@{version}"], folder)
        return cls(version, folder)

    def read(self, responses: Sequence[tuple[bytes, UIMessage | None]]) -> list[str | None]:
        """Return for each response the error on which the client stops, or None.

        Args:
            responses: The body of each, and the assistant message that it continues.

        Raises:
            ClientUnavailable: The client cannot be run.
        """
        script = self.folder / _SCRIPT.name
        # Node searches for packages from the folder of the script on.
        shutil.copyfile(_SCRIPT, script)
        node = shutil.which("node") or "node"
        work = [
            {"body": base64.b64encode(body).decode(), "message": message and message.to_object()}
            for body, message in responses
        ]
        errors: list[str | None] = json.loads(
            _run([node, "--preserve-symlinks-main", str(script)], self.folder, json.dumps(work))
        )
        return errors


def _run(command: list[str], folder: Path, text: str = "") -> str:
    try:
        completed = subprocess.run(  # noqa: S603  the command is ours
            command,
            cwd=folder,
            input=text,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise ClientUnavailable(f"{Path(command[0]).name} took more than {_SECONDS} s") from None
    if completed.returncode:
        lines = [line for line in completed.stderr.splitlines() if "rror" in line]
        reason = lines[0].strip() if lines else f"exit status {completed.returncode}"
        raise ClientUnavailable(f"{' '.join(command[:2])}: {reason}")
    return completed.stdout


def client_problems(
    clients: Sequence[NpmClient], runs: Sequence[tuple[Sequence[Recording], ClientVersion]]
) -> list[list[Problem]]:
    """Return for each run of a scenario the responses on which a client throws.

    Args:
        clients: The clients.
        runs: The responses of each run, and the oldest client that has to read them. Responses
            that were not read to their end are left out.

    Raises:
        ClientUnavailable: A client cannot be run.
    """
    problems: list[list[Problem]] = [[] for _ in runs]
    for client in clients:
        streams = [
            (run_problems, recording)
            for run_problems, (recordings, oldest) in zip(problems, runs, strict=True)
            for recording in recordings
            if client.version >= oldest
            and recording.is_complete
            and recording.response.status == 200
        ]
        errors = client.read([(bytes(each.body), each.continued) for _, each in streams])
        for (run_problems, recording), error in zip(streams, errors, strict=True):
            if error is not None and not _is_sent(recording, error):
                text = f"the client of ai {client.version} stops: {' '.join(error.split()):.200}"
                run_problems.append(Problem("client-throws", "error", text, recording.place))
    return problems


def _is_sent(recording: Recording, error: str) -> bool:
    """Whether the backend sent the error, which the client then shows."""
    end: Any = recording.end
    return isinstance(end, Error) and end.error_text == error
