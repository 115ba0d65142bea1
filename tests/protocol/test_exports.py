"""The package root exports what users of the protocol need; the docs import only from there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import ui_message_stream
from ui_message_stream import chunks, messages

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_every_chunk_and_part_is_exported() -> None:
    exported = set(ui_message_stream.__all__)
    assert {*chunks.__all__, *messages.__all__} - exported == {"CHUNK_TYPES"}
    assert all(hasattr(ui_message_stream, name) for name in exported)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_docs_import_from_the_root(page: Path) -> None:
    modules = re.findall(
        r"^\s*(?:from|import) (ui_message_stream\S*)", page.read_text(), re.MULTILINE
    )
    assert set(modules) <= {"ui_message_stream"}
