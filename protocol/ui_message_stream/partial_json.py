"""The value of a JSON text that is still being written, as the clients see it.

Sources: `ai/src/util/parse-partial-json.ts` and `fix-json.ts` of 7.0.173, whose results on broken
text are followed exactly: a page and its server must show the same half tool input.
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

#: States that wait for a value, and what they are once it began.
_VALUE_BEGUN = {
    _BEFORE_ROOT: _AFTER_ROOT,
    _BEFORE_VALUE: _AFTER_VALUE,
    _ARRAY_START: _AFTER_ITEM,
    _AFTER_ITEM_COMMA: _AFTER_ITEM,
}

_END = "end"
#: Other steps from state to state, or to the object's or array's end. What is not here is skipped.
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

_OPENED = {"{": _OBJECT_START, "[": _ARRAY_START}
_LITERALS = {"f": "false", "t": "true", "n": "null"}
#: A number: what stands of it, then what would need another digit.
_NUMBER = re.compile(r"((?:[-eE.]*+[0-9]++)*+)[-eE.]*+")
#: A string up to its closing quote, or to an escape that the end of the text cuts in half.
_STRING = re.compile(r'("(?:[^"\\]++|\\[^u]|\\u(?:[^0-9A-Fa-f]*[0-9A-Fa-f]){4})*+)("?)', re.DOTALL)


class PartialJSON:
    """One growing JSON text. Looking at its value again goes on where the last look ended."""

    __slots__ = ("_position", "_stack", "_stands")

    def __init__(self) -> None:
        self._stack = [_BEFORE_ROOT]
        #: how far the text was read, always to the end of a token
        self._position = 0
        #: up to where it is kept when what is open gets closed
        self._stands = 0

    def value(self, text: str) -> Any:
        """The value of the text, completed if it is not whole; UNSET if nothing can be read.

        `text` begins with the text of the last call.
        """
        if _may_be_whole(text) and (value := _decoded(text)) is not UNSET:
            return value
        return _decoded(self._completed(text))

    def _completed(self, text: str) -> str:
        """The text up to its last character that stands, with everything open closed.

        What is not the beginning of valid JSON is left for the parser to refuse.
        """
        stack = self._stack
        position = self._position
        tail = ""
        while position < len(text):
            char = text[position]
            state = stack[-1]
            if state not in _VALUE_BEGUN or char not in '{["-0123456789ftn':
                if _step(stack, char) or (state == _AFTER_ITEM and char != ","):
                    self._stands = position + 1
                position += 1
            elif opened := _OPENED.get(char):
                stack[-1:] = [_VALUE_BEGUN[state], opened]
                position = self._stands = position + 1
            else:
                stands, after, tail = (_string if char == '"' else _scalar)(text, position)
                if after == len(text):
                    # More text may go on with this token: the next call reads it again.
                    self._position = position
                    return text[: max(self._stands, stands)] + tail + self._closers()
                stack[-1] = _VALUE_BEGUN[state]
                self._stands = max(self._stands, stands)
                position = after
                if char != '"' and state != _BEFORE_ROOT:
                    # The character after it says nothing but how the surroundings go on.
                    if _step(stack, text[position]):
                        self._stands = position + 1
                    position += 1
        self._position = position
        return text[: self._stands] + self._closers()

    def _closers(self) -> str:
        return "".join([_CLOSER[state] for state in reversed(self._stack)])


def _step(stack: list[str], char: str) -> bool:
    """Follows `_NEXT`, if it knows the character. Whether an object or array ended."""
    following = _NEXT.get((stack[-1], char))
    if following == _END:
        stack.pop()
        return True
    if following is not None:
        stack[-1] = following
    return False


def _string(text: str, start: int) -> tuple[int, int, str]:
    """Up to where a string stands, where to read on, and what completes it."""
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


def _may_be_whole(text: str) -> bool:
    """Whether its last character ends what its first one begins."""
    last = text.rstrip()[-1:]
    return last == {"{": "}", "[": "]"}.get(text.lstrip()[:1], last)


def _decoded(text: str) -> Any:
    """The value as the clients' secure parser takes it, else UNSET."""
    try:
        value = json_codec.decode(text)
    except ValueError:
        return UNSET
    # Without these, it cannot have a key that the parser refuses.
    suspect = "__proto__" in text or "constructor" in text or "\\u" in text
    return UNSET if suspect and json_codec.has_forbidden_key(value) else value
