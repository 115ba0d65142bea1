"""Input schemas that providers accept: JSON Schema 2020-12 of an object, as plain JSON.

Providers check the schemas of all tools in each request, so that one invalid keyword would make
every request fail.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any
from urllib.parse import unquote

__all__ = ["fit_input_schema", "fit_schema", "invalid_property_name"]

#: The property names that providers accept.
_PROPERTY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
#: Keywords that providers do not accept at the top of a schema.
_NOT_AT_TOP = ("anyOf", "oneOf", "allOf", "not", "if", "then", "else")
_TYPES = frozenset({"array", "boolean", "integer", "null", "number", "object", "string"})


def invalid_property_name(schema: Mapping[str, Any]) -> str | None:
    """Return the first name of a property that providers do not accept."""
    properties = schema.get("properties", {})
    return next((key for key in properties if not _PROPERTY_NAME.fullmatch(key)), None)


def fit_input_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a schema that providers accept, and what it lacks of the given one, as `fit_schema`.

    It has the type `object`, and its properties are at the top.
    """
    fitted, dropped = fit_schema(schema)
    if "$ref" in fitted:
        target: Any = fitted
        for step in _target(fitted.pop("$ref")):
            target = target[int(step)] if isinstance(target, list) else target[step]
        fitted = {**{key: value for key, value in target.items() if key != "$ref"}, **fitted}
    for keyword in _NOT_AT_TOP:
        if fitted.pop(keyword, None) is not None:
            dropped.append(keyword)
    if fitted.setdefault("type", "object") != "object":
        dropped.append("type")
        fitted["type"] = "object"
    return fitted, dropped


def fit_schema(schema: Mapping[str, Any]) -> tuple[dict[str, Any], list[str]]:
    """Return a schema of draft 2020-12, and what it lacks of the given one.

    Forms of earlier drafts are replaced. Keywords whose values are not valid are left out, and so
    are references that lead nowhere; the schema then accepts more.

    Args:
        schema: JSON Schema of any draft, as JSON.

    Returns:
        The schema, and the places of what was left out, such as `properties.a.type`.
    """
    dropped: list[str] = []
    fitted = _fit(schema, (), dropped)
    assert isinstance(fitted, dict)  # noqa: S101
    positions = dict(_positions(fitted, ()))
    for path, position in positions.items():
        if "$ref" in position and _target(position["$ref"]) not in positions:
            del position["$ref"]
            _note(dropped, (*path, "$ref"))
    return fitted, dropped


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _is_count(value: Any) -> bool:
    return _is_number(value) and value >= 0 and value == int(value)


def _is_flag(value: Any) -> bool:
    return isinstance(value, bool)


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_any(value: Any) -> bool:
    return True


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def _is_names(value: Any) -> bool:
    texts = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return texts and len(set(value)) == len(value)


def _is_type(value: Any) -> bool:
    names = value if isinstance(value, list) else [value]
    return bool(names) and _is_names(names) and _TYPES.issuperset(names)


def _is_names_by_key(value: Any) -> bool:
    return isinstance(value, dict) and all(map(_is_names, value.values()))


#: Keyword → whether a value of it is valid. Keywords that are in no table may have any value.
_VALUES: Mapping[str, Callable[[Any], bool]] = {
    "type": _is_type,
    "enum": _is_list,
    "required": _is_names,
    "dependentRequired": _is_names_by_key,
    "multipleOf": lambda value: _is_number(value) and value > 0,
    **dict.fromkeys(("maximum", "minimum", "exclusiveMaximum", "exclusiveMinimum"), _is_number),
    **dict.fromkeys(
        (
            *("maxLength", "minLength", "maxItems", "minItems"),
            *("maxContains", "minContains", "maxProperties", "minProperties"),
        ),
        _is_count,
    ),
    **dict.fromkeys(("uniqueItems", "deprecated", "readOnly", "writeOnly"), _is_flag),
    **dict.fromkeys(
        (
            *("title", "description", "format", "pattern", "$comment"),
            *("contentEncoding", "contentMediaType", "$ref"),
        ),
        _is_text,
    ),
    "examples": _is_list,
}
#: Keywords that hold a schema, a list of schemas, and schemas by name.
_SCHEMA = frozenset(
    {
        *("additionalProperties", "contains", "contentSchema", "else", "if", "items", "not"),
        *("propertyNames", "then", "unevaluatedItems", "unevaluatedProperties"),
    }
)
_SCHEMAS = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_SCHEMAS_BY_NAME = frozenset(
    {"$defs", "definitions", "dependentSchemas", "patternProperties", "properties"}
)
_NESTED = _SCHEMA | _SCHEMAS | _SCHEMAS_BY_NAME
#: What only matters between documents.
_IDENTIFIERS = (
    *("$schema", "$id", "id", "$vocabulary", "$anchor", "$dynamicAnchor", "$dynamicRef"),
    *("$recursiveAnchor", "$recursiveRef"),
)

_Path = tuple[str, ...]


def _fit(schema: Any, path: _Path, dropped: list[str]) -> dict[str, Any] | bool:
    """Return a valid schema, whose references may have no target, for any value."""
    if isinstance(schema, bool):
        return schema
    if not isinstance(schema, Mapping):
        _note(dropped, path)
        return {}
    fitted: dict[str, Any] = {}
    for keyword, value in _modernize(schema):
        place = (*path, keyword)
        if keyword in _SCHEMA:
            fitted[keyword] = _fit(value, place, dropped)
        elif keyword in _SCHEMAS and isinstance(value, list) and value:
            fitted[keyword] = [
                _fit(each, (*place, str(index)), dropped) for index, each in enumerate(value)
            ]
        elif keyword in _SCHEMAS_BY_NAME and isinstance(value, Mapping):
            fitted[keyword] = {
                name: _fit(each, (*place, name), dropped)
                for name, each in value.items()
                if keyword != "patternProperties" or _is_pattern(name)
            }
        elif keyword not in _NESTED and _VALUES.get(keyword, _is_any)(value):
            fitted[keyword] = value
        else:
            _note(dropped, place)
    return fitted


def _positions(schema: Any, path: _Path) -> Iterator[tuple[_Path, dict[str, Any]]]:
    """Yield all schemas of a schema that fits, by their paths."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for keyword in _NESTED & schema.keys():
        value, place = schema[keyword], (*path, keyword)
        if keyword in _SCHEMA:
            yield from _positions(value, place)
            continue
        entries = value.items() if isinstance(value, dict) else enumerate(value)
        for key, each in entries:
            yield from _positions(each, (*place, str(key)))


def _target(reference: str) -> _Path:
    """Return the path that a reference within the document names. (No other one is fetched.)"""
    if reference == "#":
        return ()
    if not reference.startswith("#/"):
        return (reference,)  # the path of no schema
    steps = unquote(reference[2:]).split("/")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def _note(dropped: list[str], path: _Path) -> None:
    dropped.append(".".join(path) or "the schema")


def _modernize(schema: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the keywords of a schema as 2020-12 has them."""
    keywords = {key: value for key, value in schema.items() if key not in _IDENTIFIERS}
    for limit, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        flag = keywords.get(exclusive)
        if isinstance(flag, bool):  # draft 4
            del keywords[exclusive]
            if flag and limit in keywords:
                keywords[exclusive] = keywords.pop(limit)
    if isinstance(keywords.get("items"), list):  # up to 2019-09
        keywords["prefixItems"] = keywords.pop("items")
        if "additionalItems" in keywords:
            keywords["items"] = keywords.pop("additionalItems")
    for name, value in _entries(keywords.pop("dependencies", None)):  # up to draft 7
        keyword = "dependentRequired" if isinstance(value, list) else "dependentSchemas"
        keywords[keyword] = {**dict(_entries(keywords.get(keyword))), name: value}
    if keywords.get("type") == "any":  # draft 3
        del keywords["type"]
    yield from keywords.items()


def _entries(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from value.items()


def _is_pattern(text: str) -> bool:
    try:
        re.compile(text)
    except (re.error, RecursionError, OverflowError):
        return False
    return True
