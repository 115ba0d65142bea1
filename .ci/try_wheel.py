"""Install the wheel of a folder and use it as a new user would: python .ci/try_wheel.py dist

Without Node on the PATH, the demo page, its assets and a chat must be served, chats must be stored
in SQLite, and the error for a missing extra must name the extra.
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

#: Seconds that a response, or the exit of the server, may take.
_TIMEOUT = 60


def main(folder: str) -> None:
    [wheel] = Path(folder).resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as root:
        environment = Path(root) / "venv"
        venv.create(environment, with_pip=True)
        scripts = environment / "bin"
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([scripts / "python", *pip, wheel], check=True)
        _check_serve(scripts, Path(root))
        _check_missing_extra(scripts)
    print(f"{wheel.name} serves the demo page and a chat")


def _check_serve(scripts: Path, folder: Path) -> None:
    # Only the scripts are on the PATH, so anything that required Node would fail.
    process = subprocess.Popen(
        [scripts / "usechat-server", "serve", "--port", "0"],
        cwd=folder,
        env={"PATH": str(scripts), "HOME": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        url = _server_url(process)
        html = _get(f"{url}/")
        assets = re.findall(r'(?:src|href)="\./(assets/[^"]+)"', html)
        assert assets, "expected assets in the demo page, got none"
        for asset in assets:
            _get(f"{url}/{asset}")
        message = {"id": "m1", "role": "user", "parts": [{"type": "text", "text": "Hello"}]}
        stream = _get(f"{url}/api/chat", {"id": "c1", "messages": [message]})
        assert '"type":"finish"' in stream, stream[-200:]
        assert "c1" in _get(f"{url}/api/chats")
    finally:
        process.terminate()
        process.wait(_TIMEOUT)


def _check_missing_extra(scripts: Path) -> None:
    code = (
        "from usechat_server import Agent, create_app\n"
        "create_app(Agent('demo'), store='postgresql://localhost/chats')"
    )
    completed = subprocess.run(
        [scripts / "python", "-c", code], capture_output=True, text=True, check=False
    )
    assert "usechat-server[postgres]" in completed.stderr, completed.stderr


def _server_url(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None
    for line in process.stderr:
        if match := re.search(r"http://\S+", line):
            return match[0]
    raise RuntimeError("usechat-server did not start")


def _get(url: str, body: object = None) -> str:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=_TIMEOUT) as response:
        text: str = response.read().decode()
    return text


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main(sys.argv[1])
