"""docs/architecture.md names modules and layers that exist."""

from __future__ import annotations

import re
from pathlib import Path

from tests.test_architecture import LAYERS, ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()


def test_every_path_exists() -> None:
    paths = re.findall(r"`([\w./-]+(?:\.py|/))`", PAGE)
    assert len(paths) > 30
    sources = [str(path) for path in ROOT.glob("*/**/*") if "node_modules" not in path.parts]
    missing = [
        path
        for path in paths
        if not any(f"{one}/".endswith(f"/{path}".rstrip("/") + "/") for one in sources)
    ]
    assert not missing


def test_every_layer_is_in_the_table() -> None:
    rows = re.findall(r"^\| (`[^|]+) \|", PAGE, re.MULTILINE)
    names = {Path(name).stem for row in rows for name in re.findall(r"`([\w./]+)`", row)}
    assert {name for layer in LAYERS for name in layer} <= names
