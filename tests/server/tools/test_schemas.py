"""Input schemas: what providers would refuse is replaced, left out or refused at the start."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema.validators import Draft202012Validator
from usechat_server import ClientTool
from usechat_server.tools.schemas import fit_input_schema, fit_schema

NAMES = ["a", "b", "$defs", "definitions", "properties"]
REFERENCES = [
    "#",
    "#/$defs/a",
    "#/properties/a",
    "#/items/0",
    "#/definitions/b",
    "https://a.b",
    "a",
]
KEYWORDS = [
    *Draft202012Validator.META_SCHEMA["properties"],
    *Draft202012Validator.VALIDATORS,
    *("$schema", "$id", "id", "definitions", "additionalItems", "divisibleBy", "nullable"),
    *("title", "description", "format", "examples", "readOnly", "deprecated", "then", "else"),
]
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 3),
    st.floats(-1, 3),
    st.sampled_from([*Draft202012Validator.VALIDATORS, "object", "integer", "any", "file", "("]),
    st.sampled_from(REFERENCES),
)
#: Anything like a schema of any draft, with values that mostly are not valid.
schemas = st.recursive(
    scalars,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(KEYWORDS), inner, max_size=5),
        st.dictionaries(st.sampled_from(NAMES), inner, max_size=3),
        st.lists(inner, max_size=3),
    ),
    max_leaves=20,
)


@given(st.dictionaries(st.sampled_from(KEYWORDS), schemas, max_size=6))
def test_any_schema_is_made_valid(schema: dict[str, Any]) -> None:
    for fitted, dropped in (fit_schema(schema), fit_input_schema(schema)):
        Draft202012Validator.check_schema(fitted)
        # Once it is valid, it stays as it is.
        assert fit_schema(fitted) == (fitted, [])
        assert all(isinstance(place, str) for place in dropped)
    fitted, _ = fit_input_schema(schema)
    assert fitted["type"] == "object"
    assert not fitted.keys() & {"anyOf", "oneOf", "allOf", "$ref"}


@pytest.mark.parametrize(
    ("given", "expected", "dropped"),
    [
        ({}, {"type": "object"}, []),
        (
            {"properties": {"n": {"maximum": 3, "exclusiveMaximum": True, "minimum": 1}}},
            {"type": "object", "properties": {"n": {"exclusiveMaximum": 3, "minimum": 1}}},
            [],
        ),
        (
            {"properties": {"n": {"exclusiveMinimum": False, "minimum": 1}}},
            {"type": "object", "properties": {"n": {"minimum": 1}}},
            [],
        ),
        (
            {"properties": {"a": {"items": [{}, {"type": "null"}], "additionalItems": False}}},
            {
                "type": "object",
                "properties": {"a": {"prefixItems": [{}, {"type": "null"}], "items": False}},
            },
            [],
        ),
        (
            {"dependencies": {"a": ["b"], "c": {"required": ["d"]}}},
            {
                "type": "object",
                "dependentRequired": {"a": ["b"]},
                "dependentSchemas": {"c": {"required": ["d"]}},
            },
            [],
        ),
        (
            {"$ref": "#/definitions/Input", "definitions": {"Input": {"properties": {"a": {}}}}},
            {
                "type": "object",
                "properties": {"a": {}},
                "definitions": {"Input": {"properties": {"a": {}}}},
            },
            [],
        ),
        (
            {"properties": {"a": {"type": "string", "required": True}, "b": {"type": "str"}}},
            {"type": "object", "properties": {"a": {"type": "string"}, "b": {}}},
            ["properties.a.required", "properties.b.type"],
        ),
        (
            {"properties": {"a": {"$ref": "https://a.example"}, "b": 3}, "anyOf": [{}]},
            {"type": "object", "properties": {"a": {}, "b": {}}},
            ["properties.b", "properties.a.$ref", "anyOf"],
        ),
    ],
)
def test_what_a_schema_becomes(
    given: dict[str, Any], expected: dict[str, Any], dropped: list[str]
) -> None:
    assert fit_input_schema(given) == (expected, dropped)


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"properties": {"a": {"type": "str"}}}, "properties.a.type"),
        ({"type": "array"}, "type"),
        ({"oneOf": [{}]}, "oneOf"),
        ({"properties": {"a": {"minimum": float("nan")}}}, "properties.a.minimum"),
        ({"properties": {"größe": {}}}, "the property name 'größe'"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, r"properties.a.\$ref"),
    ],
)
def test_an_app_is_told_what_is_wrong_with_its_schema(schema: dict[str, Any], why: str) -> None:
    with pytest.raises(ValueError, match=f"^input_schema: providers do not accept {why}$"):
        ClientTool("page", "", schema)
    deep: dict[str, Any] = {}
    for _ in range(300):
        deep = {"items": deep}
    with pytest.raises(ValueError, match="nested more than"):
        ClientTool("page", "", {"properties": {"a": deep}})
    with pytest.raises(TypeError):
        ClientTool("page", "", {"properties": {"a": {"default": object()}}})
