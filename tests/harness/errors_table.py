"""The tables of docs/errors.md, read from the code. Run it to print them."""

from __future__ import annotations

import ast
import importlib
import inspect
import logging
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeGuard

import usechat_server
from starlette.exceptions import HTTPException
from usechat_server import ChatError, errors
from usechat_server.http.errors import ErrorRenderer

__all__ = ["chunk_table", "refusal_table"]

SERVER = Path(usechat_server.__file__).parent
#: Those with a text of their own: of the others the user reads the text of their base class.
CLASSES: dict[str, type[ChatError]] = {
    name: value
    for name, value in vars(errors).items()
    if isinstance(value, type)
    and issubclass(value, ChatError)
    and value is not ChatError
    and "text" in inspect.signature(value).parameters
}

Row = tuple[int, str, str]


def refusal_table() -> str:
    """Status, class, when, and every text that the code has for it; what varies is `…`."""
    texts: dict[Row, set[str]] = defaultdict(set)
    for name, error_class in CLASSES.items():
        row = _row(name, error_class)
        texts[row] |= set(_default_text(error_class))
    for name, text in _raised_texts():
        if text.strip("…: "):
            texts[_row(name, CLASSES[name])].add(text)
    for status, when, text in _rendered_texts():
        texts[(status, "", when)].add(text)
    lines = ["| Status | Class | When | Text |", "| --- | --- | --- | --- |"]
    for (status, name, when), row_texts in sorted(texts.items()):
        cell = "<br>".join(sorted(text.replace("|", "\\|") for text in row_texts))
        lines.append(f"| {status} | {f'`{name}`' if name else ''} | {when} | {cell} |")
    return "\n".join(lines)


def chunk_table() -> str:
    """The text of an `error` chunk by the kind of what went wrong."""
    rows = [f"| `{kind}` | {text} |" for kind, text in errors._TEXTS.items()]
    return "\n".join(["| Kind | Text |", "| --- | --- |", *rows])


def _row(name: str, error_class: type[ChatError]) -> Row:
    # The docstring begins with the status.
    status, _, when = inspect.cleandoc(error_class.__doc__ or "").partition(": ")
    sentence = " ".join(when.split("\n\n")[0].split()).partition(". ")[0].rstrip(".")
    return int(status), name, f"{sentence[:1].upper()}{sentence[1:]}"


def _default_text(error_class: type[ChatError]) -> Iterator[str]:
    default = inspect.signature(error_class).parameters["text"].default
    if default is not inspect.Parameter.empty:
        yield default


def _rendered_texts() -> Iterator[tuple[int, str, str]]:
    scope: Any = {"method": "…", "path": "/", "root_path": ""}
    renderer = ErrorRenderer("json")
    for when, error in [
        ("The app has no such route", HTTPException(404)),
        ("The route does not take this method", HTTPException(405)),
        ("The server failed; the log has the details", Exception()),
    ]:
        response = renderer.render(scope, error)
        text = re.search(r'"message":"(.*)"', bytes(response.body).decode())
        assert text is not None
        public_text = re.sub(r"reference \w+", "reference …", text[1])
        yield response.status_code, when, public_text
    tree = ast.parse((SERVER / "http" / "security.py").read_text())
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        if isinstance(call.func, ast.Attribute) and call.func.attr == "_refuse":
            yield 403, "The request comes from a foreign origin or host", _template(call.args[0])


def _raised_texts() -> Iterator[tuple[str, str]]:
    trees = {path: ast.parse(path.read_text()) for path in sorted(SERVER.rglob("*.py"))}
    helpers = {
        node.name: node
        for tree in trees.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef) and _class_parameter(node)
    }
    for path, tree in trees.items():
        relative = path.relative_to(SERVER).with_suffix("")
        module = ".".join(["usechat_server", *relative.parts]).removesuffix(".__init__")
        for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
            name = getattr(call.func, "id", None)
            if name in CLASSES and call.args:
                yield name, _text(call.args[0], module)
            elif name in helpers:
                yield from _helper_text(helpers[name], call)
        for subclass in (node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)):
            [base] = [getattr(one, "id", "") for one in subclass.bases[:1]] or [""]
            if base in CLASSES and subclass.name not in CLASSES:
                init = next(node for node in ast.walk(subclass) if _is_super_init(node))
                if init.args:
                    yield base, _text(init.args[0], module)


def _is_super_init(node: ast.AST) -> TypeGuard[ast.Call]:
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "super().__init__"


def _class_parameter(function: ast.FunctionDef) -> str | None:
    """The parameter of a function that is the class of the error that it returns."""
    for parameter in function.args.args:
        if parameter.annotation and "[str], ChatError]" in ast.unparse(parameter.annotation):
            return parameter.arg
    return None


def _helper_text(function: ast.FunctionDef, call: ast.Call) -> Iterator[tuple[str, str]]:
    names = [parameter.arg for parameter in function.args.args]
    given = dict(zip(names, call.args, strict=False))
    class_name = ast.unparse(given.get(_class_parameter(function) or "", _default(function)))
    [returned] = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
    assert isinstance(returned.value, ast.Call)
    fixed = {key: str(arg.value) for key, arg in given.items() if isinstance(arg, ast.Constant)}
    yield class_name, _template(returned.value.args[0], fixed)


def _default(function: ast.FunctionDef) -> ast.expr:
    return function.args.defaults[-1] if function.args.defaults else ast.Name("ChatError")


def _text(node: ast.expr, module: str) -> str:
    if isinstance(node, ast.Name):
        return str(getattr(importlib.import_module(module), node.id))
    return _template(node)


def _template(node: ast.expr, fixed: dict[str, str] | None = None) -> str:
    if isinstance(node, ast.Constant):
        return str(node.value)
    if not isinstance(node, ast.JoinedStr):
        return "…"
    return "".join(
        str(part.value)
        if isinstance(part, ast.Constant)
        else (fixed or {}).get(ast.unparse(part.value), "…")
        if isinstance(part, ast.FormattedValue)
        else "…"
        for part in node.values
    )


if __name__ == "__main__":
    logging.disable()  # of the error that is rendered for its text
    print(refusal_table(), chunk_table(), sep="\n\n")
