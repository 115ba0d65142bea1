"""Install the peers, at pinned versions, into folders that git ignores."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

__all__ = ["NODE", "PYDANTIC_AI_PYTHON", "install_aisdk", "install_pydantic_ai"]

_BENCH = Path(__file__).parent
_AISDK = _BENCH / "servers" / "aisdk"
_VENV = _BENCH / ".venv"
_REQUIREMENTS = _BENCH / "servers" / "pydantic_ai" / "requirements.txt"

#: The Node binary that npm installs.
NODE = _AISDK / "node_modules" / "node" / "bin" / "node"
#: The Python of the virtual environment of pydantic-ai.
PYDANTIC_AI_PYTHON = _VENV / "bin" / "python"


def install_aisdk() -> None:
    """Run `npm ci`, unless the installed packages are those of the lock file."""

    def install() -> None:
        # Node comes as a package whose install script fetches the binary of the platform.
        _run("npm", "ci", "--no-fund", "--no-audit", "--loglevel=error", cwd=_AISDK)

    _install_if_changed(_AISDK / "package-lock.json", _AISDK / "node_modules", install)


def install_pydantic_ai() -> None:
    """Create a virtual environment, unless the installed packages are the pinned ones."""

    def install() -> None:
        _run(sys.executable, "-m", "venv", "--clear", str(_VENV))
        _run(str(PYDANTIC_AI_PYTHON), "-m", "pip", "install", "--quiet", "-r", str(_REQUIREMENTS))

    _install_if_changed(_REQUIREMENTS, _VENV, install)


def _install_if_changed(lock: Path, target: Path, install: Callable[[], None]) -> None:
    # A copy of the lock file in the target says what was installed.
    installed_lock = target / lock.name
    if installed_lock.exists() and installed_lock.read_bytes() == lock.read_bytes():
        return
    print(f"installing {target.relative_to(_BENCH.parent)}", file=sys.stderr)
    install()
    shutil.copy(lock, installed_lock)


def _run(*command: str, cwd: Path | None = None) -> None:
    subprocess.run(command, cwd=cwd, check=True, timeout=600)
