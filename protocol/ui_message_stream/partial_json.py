"""Parse a JSON text that is still being streamed, exactly as the clients do.

Client and server must have the same value of a partial tool input, also if the text is broken.

Source: `ai/src/util/parse-partial-json.ts` and `fix-json.ts` of 7.0.173.
"""

from __future__ import annotations

import re
from typing import Any, cast

from ui_message_stream import json_codec
from ui_message_stream.schema import UNSET

__all__ = ["PartialJSON"]

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

#: State that expects a value -> the state around the value once it has begun.
_AFTER_VALUE_START = {
    _BEFORE_ROOT: _AFTER_ROOT,
    _BEFORE_VALUE: _AFTER_VALUE,
    _ARRAY_START: _AFTER_ITEM,
    _AFTER_ITEM_COMMA: _AFTER_ITEM,
}

_END = "end"
#: (state, character) -> next state, or the end of the object or array. All else is skipped.
_NEXT = {
    (_OBJECT_START, '"'): _KEY,
    (_OBJECT_START, "}"): _END,
    (_KEY, '"'): _AFTER_KEY,
    (_AFTER_KEY, ":"): _BEFORE_VALUE,
    (_AFTER_VALUE, ","): _AFTER_COMMA,
    (_AFTER_VALUE, "}"): _END,
    (_AFTER_COMMA, '"'): _KEY,
    (_ARRAY_START, "]"): _END,
    (_AFTER_ITEM, ","): _AFTER_ITEM_COMMA,
    (_AFTER_ITEM, "]"): _END,
}

#: What closes each state when the text ends inside it.
_CLOSER = {
    **dict.fromkeys((_BEFORE_ROOT, _AFTER_ROOT), ""),
    **dict.fromkeys((_ARRAY_START, _AFTER_ITEM, _AFTER_ITEM_COMMA), "]"),
    **dict.fromkeys(
        (_OBJECT_START, _KEY, _AFTER_KEY, _BEFORE_VALUE, _AFTER_VALUE, _AFTER_COMMA), "}"
    ),
}

_OPENERS = {"{": _OBJECT_START, "[": _ARRAY_START}
_LITERALS = {"f": "false", "t": "true", "n": "null"}
#: A number: group 1 is the part that is valid without another digit.
_NUMBER = re.compile(r"((?:[-eE.]*+[0-9]++)*+)[-eE.]*+")
#: A string up to its closing quote, or to an escape that the end of the text cuts in half.
_STRING = re.compile(r'("(?:[^"\\]++|\\[^u]|\\u(?:[^0-9A-Fa-f]*[0-9A-Fa-f]){4})*+)("?)', re.DOTALL)


class PartialJSON:
    """A growing JSON text. Each call of `value` continues where the last one ended."""

    __slots__ = ("_position", "_stack", "_valid_end")

    def __init__(self) -> None:
        self._stack = [_BEFORE_ROOT]
        #: end of the text that was read, always at the end of a token
        self._position = 0
        #: end of the text that is valid once everything open is closed
        self._valid_end = 0

    def value(self, text: str) -> Any:
        """Return the value of the text, completed if necessary; UNSET if it has none.

        Args:
            text: The whole text so far: it begins with the text of the last call.
        """
        if _may_be_complete(text) and (value := _decode(text)) is not UNSET:
            return value
        return _decode(self._complete(text))

    def _complete(self, text: str) -> str:
        """Return the valid beginning of the text, with everything open closed.

        Text that is not the beginning of valid JSON is left for the parser to reject.
        """
        stack = self._stack
        position = self._position
        tail = ""
        while position < len(text):
            char = text[position]
            state = stack[-1]
            if state not in _AFTER_VALUE_START or char not in '{["-0123456789ftn':
                if _advance(stack, char) or (state == _AFTER_ITEM and char != ","):
                    self._valid_end = position + 1
                position += 1
            elif inner_state := _OPENERS.get(char):
                stack[-1:] = [_AFTER_VALUE_START[state], inner_state]
                position = self._valid_end = position + 1
            else:
                valid_end, after, tail = (_string if char == '"' else _scalar)(text, position)
                if after == len(text):
                    # More text may continue this token: the next call reads it again.
                    self._position = position
                    return text[: max(self._valid_end, valid_end)] + tail + self._closers()
                stack[-1] = _AFTER_VALUE_START[state]
                self._valid_end = max(self._valid_end, valid_end)
                position = after
                if char != '"' and state != _BEFORE_ROOT:
                    # The character after the token only changes the state around it.
                    if _advance(stack, text[position]):
                        self._valid_end = position + 1
                    position += 1
        self._position = position
        return text[: self._valid_end] + self._closers()

    def _closers(self) -> str:
        return "".join([_CLOSER[state] for state in reversed(self._stack)])


def _advance(stack: list[str], char: str) -> bool:
    """Advance the state by a character; return whether an object or array ended."""
    next_state = _NEXT.get((stack[-1], char))
    if next_state == _END:
        stack.pop()
        return True
    if next_state is not None:
        stack[-1] = next_state
    return False


def _string(text: str, start: int) -> tuple[int, int, str]:
    """Return the end of the valid part of a string, the end of the token, and what completes it."""
    match = cast("re.Match[str]", _STRING.match(text, start))
    if match[2]:
        return match.end(), match.end(), ""
    return match.end(), len(text), '"'


def _scalar(text: str, start: int) -> tuple[int, int, str]:
    """Return the same for a number, `true`, `false` or `null`. A lone minus has no valid part."""
    if literal := _LITERALS.get(text[start]):
        end = start + 1
        while text[end : end + 1] == literal[end - start : end - start + 1] != "":
            end += 1
        return end, end, literal[end - start :] if end == len(text) else ""
    match = cast("re.Match[str]", _NUMBER.match(text, start))
    return match.end(1) if match[1] else 0, match.end(), ""


def _may_be_complete(text: str) -> bool:
    """Whether the last character of the text closes what the first one opens."""
    last = text.rstrip()[-1:]
    return last == {"{": "}", "[": "]"}.get(text.lstrip()[:1], last)


def _decode(text: str) -> Any:
    """Return the value as the clients' secure parser accepts it, or UNSET."""
    try:
        value = json_codec.decode(text)
    except ValueError:
        return UNSET
    # Without these, no key can be one that the parser rejects.
    suspect = "__proto__" in text or "constructor" in text or "\\u" in text
    return UNSET if suspect and json_codec.has_forbidden_key(value) else value
