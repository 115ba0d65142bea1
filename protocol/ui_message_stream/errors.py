"""`WireError`, and the conversion of decoded JSON to typed values that raises it."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec

__all__ = ["WireError", "convert", "json_type", "type_name"]

_T = TypeVar("_T")


class WireError(ValueError):
    """A value that does not match the protocol: `parts[1].text: expected a string, got null`.

    Attributes:
        path: Keys and indexes of the wrong value, from the outside in: `("parts", 1, "text")`.
            `"*"` is some key of an object.
        problem: What is wrong with the value.
        expected: The JSON types that are allowed there, or "" if the type is not the problem.
        got: The JSON type of the value, or "".
    """

    def __init__(
        self,
        problem: str = "",
        *,
        path: tuple[str | int, ...] = (),
        expected: str = "",
        got: str = "",
    ) -> None:
        self.path = path
        self.problem: str = problem or f"expected {expected}" + (f", got {got}" if got else "")
        self.expected = expected
        self.got = got
        location = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in path)
        text = f"{location.removeprefix('.')}: {self.problem}" if path else self.problem
        super().__init__(text)

    def within(self, *keys: str | int) -> WireError:
        """Return the same error with the path of an outer value.

        Args:
            keys: Keys and indexes that lead from the outer value to the one the error is about.
        """
        return WireError(
            self.problem, path=(*keys, *self.path), expected=self.expected, got=self.got
        )


#: The name of a type in Python or in msgspec's messages -> the JSON type, as error texts name it.
_JSON_TYPES = {
    "str": "a string",
    "int": "an integer",
    "float": "a number",
    "bool": "a boolean",
    "object": "an object",
    "dict": "an object",
    "array": "a list",
    "list": "a list",
    "null": "null",
    "NoneType": "null",
}


def json_type(value: Any) -> str:
    """Return the JSON type of a decoded value, as error texts name it: "a string", "null"."""
    name = type(value).__name__
    return _JSON_TYPES.get(name, name)


def type_name(value: Any) -> str:
    """Return the `type` of a JSON object.

    Raises:
        WireError: The value is not an object, or it has no `type` that is a string.
    """
    if not isinstance(value, dict):
        raise WireError(expected="an object", got=json_type(value))
    if "type" not in value:
        raise WireError("missing", path=("type",))
    name = value["type"]
    if not isinstance(name, str):
        raise WireError(path=("type",), expected="a string", got=json_type(name))
    return name


def convert(value: Any, cls: type[_T]) -> _T:
    """Convert a decoded JSON value to a typed one.

    Raises:
        WireError: The value does not fit the type.
    """
    try:
        return msgspec.convert(value, cls)
    except msgspec.ValidationError as error:
        raise _wire_error(str(error)) from None
    except UnicodeEncodeError:
        # msgspec compares with the allowed values in UTF-8, which has no surrogates.
        raise WireError("invalid value: it holds an unpaired surrogate") from None


_MISSING = re.compile(r"Object missing required field `(.+)`")
_EXPECTED = re.compile(r"Expected `([^`]+)`( >= 0)?(?:, got `([^`]+)`)?")
_INVALID = re.compile(r"Invalid (?:enum )?value (.*)", re.DOTALL)


def _wire_error(message: str) -> WireError:
    """Parse the message of a `msgspec.ValidationError`, which has no other data.

    Examples: "Expected `str`, got `int` - at `$.parts[0].text`" (`[...]` is the key of a mapping),
    "Object missing required field `id`", "Invalid enum value 'x' - at `$.role`".
    """
    text, separator, location = message.rpartition(" - at `$")
    if not separator:
        text, location = message, ""
    path: tuple[str | int, ...] = tuple(
        key or (int(index) if index else "*")
        for key, index in re.findall(r"\.(\w+)|\[(?:(\d+)|\.\.\.)\]", location)
    )
    if match := _MISSING.fullmatch(text):
        return WireError("missing", path=(*path, match[1]))
    if match := _INVALID.fullmatch(text):
        return WireError(f"invalid value {match[1]:.200}", path=path)
    if match := _EXPECTED.fullmatch(text):
        # An optional field allows null in its Python type only.
        names = [name for name in match[1].split(" | ") if name != "null"]
        expected = " or ".join(_JSON_TYPES.get(name, name) for name in names) + (match[2] or "")
        got = _JSON_TYPES.get(match[3], match[3]) if match[3] else ""
        return WireError(path=path, expected=expected, got=got)
    return WireError(f"{text:.200}", path=path)
