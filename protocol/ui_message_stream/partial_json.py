"""The value of a JSON text that is still being written, as the clients see it.

Sources: `ai/src/util/parse-partial-json.ts` and `fix-json.ts` of 7.0.173, whose results on broken
text are followed exactly: a page and its server must show the same half tool input.
"""

from __future__ import annotations

import re
from typing import Any, cast

from ui_message_stream import jsontext
from ui_message_stream.wire import UNSET

__all__ = ["complete_json", "parse_partial_json"]

_BEFORE_ROOT = "before root"
_AFTER_ROOT = "after root"
_OBJECT_START = "object start"
_KEY = "key"
_AFTER_KEY = "after key"
_BEFORE_VALUE = "before value"
_AFTER_VALUE = "after value"
_AFTER_COMMA = "after comma"
_ARRAY_START = "array start"
_AFTER_ITEM = "after item"
_AFTER_ITEM_COMMA = "after item comma"

#: States that wait for a value, and what they are once it began.
_VALUE_BEGUN = {
    _BEFORE_ROOT: _AFTER_ROOT,
    _BEFORE_VALUE: _AFTER_VALUE,
    _ARRAY_START: _AFTER_ITEM,
    _AFTER_ITEM_COMMA: _AFTER_ITEM,
}

#: Other steps from state to state; None: the object or array ends. Other characters are skipped.
_NEXT: dict[tuple[str, str], str | None] = {
    (_OBJECT_START, '"'): _KEY,
    (_OBJECT_START, "}"): None,
    (_KEY, '"'): _AFTER_KEY,
    (_AFTER_KEY, ":"): _BEFORE_VALUE,
    (_AFTER_VALUE, ","): _AFTER_COMMA,
    (_AFTER_VALUE, "}"): None,
    (_AFTER_COMMA, '"'): _KEY,
    (_ARRAY_START, "]"): None,
    (_AFTER_ITEM, ","): _AFTER_ITEM_COMMA,
    (_AFTER_ITEM, "]"): None,
}

#: What closes each state when the text ends inside it.
_CLOSER = {
    **dict.fromkeys(
        (_OBJECT_START, _KEY, _AFTER_KEY, _BEFORE_VALUE, _AFTER_VALUE, _AFTER_COMMA), "}"
    ),
    **dict.fromkeys((_ARRAY_START, _AFTER_ITEM, _AFTER_ITEM_COMMA), "]"),
}

_OPENED = {"{": _OBJECT_START, "[": _ARRAY_START}
_LITERALS = {"f": "false", "t": "true", "n": "null"}
#: A number: what stands of it, then what would need another digit.
_NUMBER = re.compile(r"((?:[-eE.]*+[0-9]++)*+)[-eE.]*+")
#: A string up to its closing quote, or to an escape that the end of the text cuts in half.
_STRING = re.compile(r'("(?:[^"\\]++|\\[^u]|\\u(?:[^0-9A-Fa-f]*[0-9A-Fa-f]){4})*+)("?)', re.DOTALL)


def parse_partial_json(text: str) -> Any:
    """The value of the text, completed if it is not whole; UNSET if nothing can be read from it."""
    for candidate in (text, complete_json(text)):
        try:
            value = jsontext.decode(candidate)
        except ValueError:
            continue
        if _is_safe(candidate, value):
            return value
    return UNSET


def complete_json(text: str) -> str:
    """The text up to its last character that stands, with everything open closed, in one pass.

    What is not the beginning of valid JSON is left for the parser to refuse.
    """
    stack = [_BEFORE_ROOT]
    end = position = 0
    tail = ""
    while position < len(text):
        char = text[position]
        state = stack[-1]
        if state not in _VALUE_BEGUN or char not in '{["-0123456789ftn':
            if _step(stack, char) or (state == _AFTER_ITEM and char != ","):
                end = position + 1
            position += 1
            continue
        stack[-1] = _VALUE_BEGUN[state]
        if opened := _OPENED.get(char):
            stack.append(opened)
            position = end = position + 1
        elif char == '"':
            end, position, tail = _string(text, position)
        else:
            stands, position, tail = _scalar(text, position)
            end = max(end, stands)
            # The character after it says nothing but how the surroundings go on.
            if position < len(text) and stack[-1] != _AFTER_ROOT:
                if _step(stack, text[position]):
                    end = position + 1
                position += 1
    return text[:end] + tail + "".join(_CLOSER.get(state, "") for state in reversed(stack))


def _step(stack: list[str], char: str) -> bool:
    """Follows `_NEXT`, if it knows the character. Whether an object or array ended."""
    try:
        following = _NEXT[stack[-1], char]
    except KeyError:
        return False
    if following is None:
        stack.pop()
        return True
    stack[-1] = following
    return False


def _string(text: str, start: int) -> tuple[int, int, str]:
    """Where a string stands to, where to read on, and what completes it."""
    found = cast("re.Match[str]", _STRING.match(text, start))
    if found[2]:
        return found.end(), found.end(), ""
    return found.end(), len(text), '"'


def _scalar(text: str, start: int) -> tuple[int, int, str]:
    """The same for a number, `true`, `false` or `null`. Of a lone minus nothing stands."""
    if literal := _LITERALS.get(text[start]):
        end = start + 1
        while text[end : end + 1] == literal[end - start : end - start + 1] != "":
            end += 1
        return end, end, literal[end - start :] if end == len(text) else ""
    found = cast("re.Match[str]", _NUMBER.match(text, start))
    return found.end(1) if found[1] else 0, found.end(), ""


def _is_safe(text: str, value: Any) -> bool:
    """Whether the clients' secure parser takes it: no `__proto__`, no `constructor.prototype`."""
    if "__proto__" in text or "constructor" in text or "\\u" in text:
        return not _has_forbidden_key(value)
    return True


def _has_forbidden_key(value: Any) -> bool:
    if isinstance(value, list):
        return any(map(_has_forbidden_key, value))
    if not isinstance(value, dict):
        return False
    constructor = value.get("constructor")
    return (
        "__proto__" in value
        or (isinstance(constructor, dict) and "prototype" in constructor)
        or any(map(_has_forbidden_key, value.values()))
    )
