"""The JSON Schema of a structured output, as OpenAI accepts it.

Source: the API's page on structured outputs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel

from usechat_server.providers.openai.sdk import openai

__all__ = ["OutputFormat", "has_object_root", "json_schema"]

#: A pydantic model, or a JSON Schema, which is sent unchanged.
OutputFormat = type[BaseModel] | dict[str, Any]

_INVALID_CHARACTERS = re.compile(r"[^a-zA-Z0-9_-]")


def json_schema(output_format: OutputFormat) -> dict[str, Any]:
    """Return the schema to send, with a name, and whether the API has to keep to it exactly."""
    if isinstance(output_format, Mapping):
        name, schema = str(output_format.get("title") or "response"), dict(output_format)
    else:
        name = output_format.__name__
        # (The public function that makes a model's schema strict.)
        tool: Any = openai.pydantic_function_tool(output_format)
        schema = tool["function"]["parameters"]
        if not _is_strict(schema):
            # Such as a dict, whose keys no strict schema can describe.
            schema = output_format.model_json_schema()
    name = _INVALID_CHARACTERS.sub("_", name)[:64]
    return {"name": name, "schema": schema, "strict": _is_strict(schema)}


def has_object_root(response_format: Any) -> bool:
    """Whether OpenAI accepts the root of the schema of a `response_format`, if it has one."""
    match response_format:
        case {"type": "json_schema", "json_schema": {"schema": {**schema}}}:
            return schema.get("type") == "object" and "anyOf" not in schema
    return True


def _is_strict(schema: Mapping[str, Any]) -> bool:
    """Whether all objects have fixed keys, as the API requires of a strict schema."""
    return all(
        each.get("additionalProperties") is False
        and set(each.get("required", ())) == set(each.get("properties", ()))
        for each in _objects(schema)
    )


def _objects(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Yield the schemas of objects, at any depth."""
    if isinstance(schema, list):
        for each in schema:
            yield from _objects(each)
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            yield schema
        for each in schema.values():
            yield from _objects(each)
