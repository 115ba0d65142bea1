"""The documentation imports public names only, and every public name is in it."""

from __future__ import annotations

import ast
import importlib
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "web-demo").glob("*/README.md"))
#: The modules whose `__all__` is the public API.
PUBLIC = [
    "usechat_server",
    "usechat_server.anthropic",
    "usechat_server.mcp",
    "usechat_server.store",
    "ui_message_stream",
]


def imports(page: Path) -> list[tuple[str, str]]:
    """What the page's snippets import of these packages, as module and name."""
    names = []
    for snippet in re.findall(r"^ *```python\n(.*?)^ *```$", page.read_text(), re.M | re.S):
        for node in ast.walk(ast.parse(snippet)):
            if isinstance(node, ast.Import):
                names += [(alias.name, "") for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names += [(node.module or "", alias.name) for alias in node.names]
    return [
        name for name in names if name[0].split(".")[0] in {"usechat_server", "ui_message_stream"}
    ]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_imports_public_names_only(page: Path) -> None:
    private = [
        (module, name)
        for module, name in imports(page)
        if module not in PUBLIC or (name and name not in importlib.import_module(module).__all__)
    ]
    assert private == []


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_documented(module: str) -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    public = importlib.import_module(module)
    missing = [name for name in public.__all__ if not re.search(rf"\b{name}\b", text)]
    assert missing == []
    assert [name for name in public.__all__ if not hasattr(public, name)] == []


@pytest.mark.parametrize("module", ["usechat_server", "usechat_server.store"])
def test_every_public_class_and_function_has_a_docstring(module: str) -> None:
    public = importlib.import_module(module)
    objects = {name: getattr(public, name) for name in public.__all__ if name != "__version__"}
    assert [name for name, value in objects.items() if not value.__doc__] == []
