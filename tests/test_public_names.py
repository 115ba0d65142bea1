"""The documentation imports public names only, and every public name is in it."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import itertools
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES += sorted((ROOT / "web-demo").glob("*/README.md"))
#: The modules whose `__all__` is the public API.
PUBLIC = [
    "usechat_server",
    "usechat_server.anthropic",
    "usechat_server.mcp",
    "usechat_server.openai",
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


#: Constructors whose parameters are not described. Apps call that of `ModelError` only.
UNDESCRIBED = {"ChatApp", "ChatRouter", "ModelError"}


def public_objects(module: str) -> Iterator[tuple[str, Any]]:
    public = importlib.import_module(module)
    for name in public.__all__:
        value = getattr(public, name)
        if inspect.isclass(value) or inspect.isfunction(value):
            yield name, value


def public_members(cls: type) -> Iterator[tuple[str, Any]]:
    """The methods and properties that a class defines itself."""
    for name, member in vars(cls).items():
        if not name.startswith("_") and (
            inspect.isfunction(member) or isinstance(member, (classmethod, staticmethod, property))
        ):
            yield name, getattr(cls, name)


def described(docstring: str, section: str) -> set[str]:
    """The names in a section of a docstring: `Args`, `Attributes`."""
    _, _, text = docstring.partition(f"\n{section}:\n")
    lines = itertools.takewhile(lambda line: not line or line.startswith(" "), text.split("\n"))
    return set(re.findall(r"^    \*{0,2}(\w+): ", "\n".join(lines), re.M))


def parameters(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters) - {"self", "cls"}


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_class_and_function_has_a_docstring(module: str) -> None:
    objects = dict(public_objects(module))
    missing = [name for name, value in objects.items() if not value.__doc__]
    for name, value in objects.items():
        if inspect.isclass(value):
            members = public_members(value)
            missing += [f"{name}.{key}" for key, member in members if not inspect.getdoc(member)]
    assert missing == []


@pytest.mark.parametrize("module", PUBLIC)
def test_the_docstring_of_a_public_function_describes_its_parameters(module: str) -> None:
    functions = {}
    for name, value in public_objects(module):
        if inspect.isfunction(value):
            functions[name] = value
        else:
            members = public_members(value)
            functions |= {f"{name}.{key}": item for key, item in members if callable(item)}
    missing = {
        name: parameters(function) - described(inspect.getdoc(function) or "", "Args")
        for name, function in functions.items()
    }
    assert {name: names for name, names in missing.items() if names} == {}


@pytest.mark.parametrize("module", PUBLIC)
def test_the_docstring_of_a_public_class_describes_its_parameters(module: str) -> None:
    """Fields of dataclasses and named tuples too. Those of chunks and parts are the protocol's."""
    missing = {}
    for name, value in public_objects(module):
        if not inspect.isclass(value) or name in UNDESCRIBED:
            continue
        text = "\n".join(inspect.cleandoc(cls.__doc__ or "") for cls in value.__mro__[:-1])
        names = described(text, "Args") | described(text, "Attributes")
        has_fields = dataclasses.is_dataclass(value) or hasattr(value, "_fields")
        is_protocol = getattr(value, "_is_protocol", False)
        if has_fields or ("__init__" in vars(value) and not is_protocol):
            missing[name] = parameters(value) - names
    assert {name: names for name, names in missing.items() if names} == {}
