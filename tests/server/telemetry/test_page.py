"""The snippets of docs/telemetry.md run."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_the_snippets_of_the_page_run() -> None:
    page = (ROOT / "docs" / "telemetry.md").read_text()
    snippets = re.findall(r"^```python\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    code = "\n".join(f"exec(compile({snippet!r}, 'page', 'exec'), {{}})" for snippet in snippets)
    env = {**os.environ, "ANTHROPIC_API_KEY": "key"}
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, env=env)
