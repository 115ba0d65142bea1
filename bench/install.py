"""Installs the peers from their registries, pinned, into folders that git ignores."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["NODE", "PEER_PYTHON", "install_aisdk", "install_pydantic_ai"]

_BENCH = Path(__file__).parent
_AISDK = _BENCH / "servers" / "aisdk"
_VENV = _BENCH / ".venv"
_REQUIREMENTS = _BENCH / "servers" / "pydantic_ai" / "requirements.txt"

#: the Node binary that npm installed
NODE = _AISDK / "node_modules" / "node" / "bin" / "node"
#: the Python of pydantic-ai's environment
PEER_PYTHON = _VENV / "bin" / "python"


def install_aisdk() -> None:
    """`npm ci` unless the installed packages are those of the lock file."""
    modules = _AISDK / "node_modules"

    def fill() -> None:
        # Its own Node comes as a package whose install script fetches the platform's binary.
        _run("npm", "ci", "--no-fund", "--no-audit", "--loglevel=error", cwd=_AISDK)

    _once(_AISDK / "package-lock.json", modules, fill)


def install_pydantic_ai() -> None:
    """A virtual environment of its own, made anew when the pins changed."""

    def fill() -> None:
        _run(sys.executable, "-m", "venv", "--clear", str(_VENV))
        _run(str(PEER_PYTHON), "-m", "pip", "install", "--quiet", "-r", str(_REQUIREMENTS))

    _once(_REQUIREMENTS, _VENV, fill)


def _once(lock: Path, target: Path, fill: Callable[[], None]) -> None:
    copy = target / lock.name
    if copy.exists() and copy.read_bytes() == lock.read_bytes():
        return
    print(f"installing {target.relative_to(_BENCH.parent)}", file=sys.stderr)
    fill()
    shutil.copy(lock, copy)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=600)
