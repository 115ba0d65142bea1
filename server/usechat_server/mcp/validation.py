"""Validation of a tool's input here, as far as it is certain to be quick.

The MCP server validates its input itself. An error that is found here saves the round trip, and
the user is not asked to approve a call that cannot run. But the schema is the server's and the
input the model's, so that together they must not be able to block the event loop: regular
expressions can take exponential time, and so can references.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from jsonschema.exceptions import ValidationError
from jsonschema.validators import Draft202012Validator, extend
from ui_message_stream import json_codec

from usechat_server.tools.schemas import fit_schema

__all__ = ["InputValidator"]

#: The most that is validated: bytes of the schema times bytes of the input.
_MAX_WORK = 20_000_000
#: Errors that the model is told of one input.
_MAX_ERRORS = 10
#: Characters of a value in an error text; the model knows the value.
_MAX_VALUE_LENGTH = 200


class InputValidator:
    """Validates the inputs of one tool.

    Args:
        schema: The server's input schema, valid or not.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        fitted, _ = fit_schema(schema)
        self._validator = _Validator(fitted)
        self._size = len(json_codec.encode(fitted))

    def problems(self, value: Any) -> Iterator[str]:
        """Yield what is wrong with an input, for the model: one line for each error."""
        text = json_codec.encode(value)
        if not isinstance(value, dict):
            yield f"input: expected an object, got {_cut(text.decode())}."
        elif self._size * len(text) <= _MAX_WORK:
            for error in islice(self._validator.iter_errors(value), _MAX_ERRORS):
                yield f"{'.'.join(map(str, error.absolute_path)) or 'input'}: {_message(error)}."


def _leave_to_server(*_: Any) -> Iterator[ValidationError]:
    yield from ()


def _additional_properties(
    validator: Any, value: Any, instance: Any, schema: Mapping[str, Any]
) -> Iterator[ValidationError]:
    if "patternProperties" not in schema:
        check = Draft202012Validator.VALIDATORS["additionalProperties"]
        yield from check(validator, value, instance, schema) or ()


_Validator: Any = extend(  # type: ignore[no-untyped-call]
    Draft202012Validator,
    {
        **dict.fromkeys(
            (
                *("pattern", "patternProperties", "$ref", "uniqueItems"),
                # These accept less if a schema below them accepts more.
                *("not", "if", "oneOf", "contains", "unevaluatedItems", "unevaluatedProperties"),
            ),
            _leave_to_server,
        ),
        "additionalProperties": _additional_properties,
    },
)


def _message(error: ValidationError) -> str:
    """Return the message of an error, without the value if that is long."""
    text = error.message
    return text if len(text) <= 2 * _MAX_VALUE_LENGTH else f"does not match `{error.validator}`"


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_VALUE_LENGTH else f"{text[:_MAX_VALUE_LENGTH]}…"
