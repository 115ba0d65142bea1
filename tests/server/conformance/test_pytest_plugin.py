"""The pytest plugin, as the project of another backend uses it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from usechat_server import Agent, create_app
from usechat_server.conformance.scenarios import SCENARIOS

from tests.harness.conformance_page import PAGE
from tests.harness.live import LiveServer, ScriptedModel


def test_the_five_lines_of_the_page(tmp_path: Path) -> None:
    [snippet] = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)
    with LiveServer(create_app(Agent(ScriptedModel()))) as server:
        (tmp_path / "test_chat.py").write_text(snippet.replace("http://127.0.0.1:8000", server.url))
        passed = run_pytest(tmp_path, "-k", "text or reasoning")
        failed = run_pytest(tmp_path, "-k", "text", url=f"{server.url}/healthz")
    assert "1 passed, 1 skipped" in passed.stdout
    assert f"{len(SCENARIOS) - 2} deselected" in passed.stdout
    assert "the response shows no reasoning" in passed.stdout
    assert "1 failed" in failed.stdout
    assert "status 405: " in failed.stdout
    assert "[accept-request]" in failed.stdout


def run_pytest(
    folder: Path, *options: str, url: str | None = None
) -> subprocess.CompletedProcess[str]:
    if url is not None:
        path = folder / "test_chat.py"
        path.write_text(re.sub(r'"http://\S+"', f'"{url}"', path.read_text()))
    command = [sys.executable, "-m", "pytest", "-rs", "-p", "no:cacheprovider", *options]
    return subprocess.run(
        [*command, str(folder)], cwd=folder, capture_output=True, text=True, check=False
    )
