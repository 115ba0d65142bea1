"""The JSON Schema of a structured output, as the API accepts it.

Source: the API's page on structured outputs, and `transform_schema` of the `anthropic` SDK.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from anthropic import transform_schema
from pydantic import BaseModel

__all__ = ["output_schema"]

_Path = tuple[str, ...]


def output_schema(output_format: type[BaseModel] | Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema to send.

    Args:
        output_format: A pydantic model, or a JSON Schema, which is sent unchanged.

    Raises:
        ValueError: The API refuses the schema, or would produce something else; the text names the
            field.
    """
    schema: Mapping[str, Any]
    if isinstance(output_format, Mapping):
        schema = output_format
    else:
        schema = output_format.model_json_schema()
    for path, each in _objects(schema, ()):
        if each.get("additionalProperties", False) is not False or "patternProperties" in each:
            raise ValueError(
                f"{_name(path)}: expected an object with fixed keys, which is all that the API can "
                "produce: replace the dict by a list of objects with a key and a value"
            )
    _refuse_recursion(schema)
    if isinstance(output_format, Mapping):
        return dict(output_format)
    try:
        return transform_schema(output_format)
    except (ValueError, AssertionError) as error:
        raise ValueError(f"the API cannot produce this type: {error}") from None


def _objects(schema: Any, path: _Path) -> Iterator[tuple[_Path, Mapping[str, Any]]]:
    """Yield the schemas of objects, at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from _objects(each, path)
    if not isinstance(schema, Mapping):
        return
    if schema.get("type") == "object":
        yield path, schema
    for keyword in ("properties", "$defs", "definitions"):
        for name, each in (schema.get(keyword) or {}).items():
            yield from _objects(each, (*path, name))
    for keyword in ("items", "prefixItems", "anyOf", "oneOf", "allOf"):
        yield from _objects(schema.get(keyword), path)


def _refuse_recursion(schema: Mapping[str, Any]) -> None:
    """Raise ValueError if a type of the schema contains itself."""
    definitions = schema.get("$defs", {})
    used = {name: set(_references(each)) for name, each in definitions.items()}
    for name in definitions:
        reached: set[str] = set()
        pending = [name]
        while pending:
            for other in used.get(pending.pop(), set()) - reached:
                reached.add(other)
                pending.append(other)
        if name in reached:
            raise ValueError(f"{name} contains itself, which the API cannot produce")


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, Mapping):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.removeprefix("#/$defs/")
        for each in schema.values():
            yield from _references(each)
    elif isinstance(schema, list):
        for each in schema:
            yield from _references(each)


def _name(path: _Path) -> str:
    return ".".join(path) or "the schema"
