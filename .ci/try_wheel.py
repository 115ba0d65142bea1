"""Installs the wheel of a folder into an empty environment and uses it as a new user would.

`python .ci/try_wheel.py dist`: without Node on the PATH, the demo page, its assets and a chat are
served, chats are stored in SQLite, and a missing extra is named.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import urllib.request
import venv
from pathlib import Path

#: Seconds that the server has to start.
_START = 60


def main(folder: str) -> None:
    [wheel] = Path(folder).resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as root:
        environment = Path(root) / "venv"
        venv.create(environment, with_pip=True)
        scripts = environment / "bin"
        pip = [scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*pip, wheel], check=True)
        _check_command(scripts, Path(root))
        _check_missing_extra(scripts)
    print(f"{wheel.name} serves the demo page and a chat")


def _check_command(scripts: Path, folder: Path) -> None:
    # Only the scripts are on the PATH: whatever needed Node would fail.
    process = subprocess.Popen(
        [scripts / "usechat-server", "serve", "--port", "0"],
        cwd=folder,
        env={"PATH": str(scripts), "HOME": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = _address(process)
        html = _get(f"{url}/")
        assets = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', html)
        assert assets, "the page names no assets"
        for asset in assets:
            _get(f"{url}/{asset}")
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
        stream = _get(f"{url}/api/chat", {"id": "c1", "messages": [message]})
        assert '"type":"finish"' in stream, stream[-200:]
        assert "c1" in _get(f"{url}/api/chats")
    finally:
        process.terminate()
        process.wait(_START)


def _check_missing_extra(scripts: Path) -> None:
    code = (
        "from usechat_server import Agent, create_app\n"
        "create_app(Agent('demo'), store='postgresql://localhost/chats')"
    )
    completed = subprocess.run(
        [scripts / "python", "-c", code], capture_output=True, text=True, check=False
    )
    assert "usechat-server[postgres]" in completed.stderr, completed.stderr


def _address(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(r"http://\S+", line):
            return match[0]
    raise RuntimeError("usechat-server did not start")


def _get(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_START) as response:
        text: str = response.read().decode()
    return text


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main(sys.argv[1])
