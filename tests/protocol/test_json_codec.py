"""JSON: any valid text is decoded, only what every client accepts is encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream import json_codec

#: Any string that a browser can send, lone surrogates included.
_STRINGS = st.text(st.characters(exclude_categories=()), max_size=6)
_NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
_VALUES = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), _NUMBERS, _STRINGS),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(_STRINGS, inner, max_size=4)),
    max_leaves=20,
)


def as_browsers_decode(text: str) -> str:
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


@given(_VALUES, st.booleans())
def test_every_json_value_is_decoded(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert json_codec.decode(text) == value


@given(_VALUES)
def test_values_are_encoded_as_one_line_of_utf8(value: Any) -> None:
    encoded = json_codec.encode(value)
    assert b"\n" not in encoded
    expected = json.loads(as_browsers_decode(json.dumps(value, ensure_ascii=False)))
    assert json.loads(encoded.decode("utf-8", "strict")) == expected


def test_a_lone_surrogate_is_decoded_and_encoded_as_a_replacement_character() -> None:
    value = json_codec.decode(b'{"text":"a\\ud83d"}')
    assert value == {"text": "a\ud83d"}
    assert json_codec.encode(value) == '{"text":"a\ufffd"}'.encode()
    assert json_codec.encode(["\ud83d\ude00"]) == '["😀"]'.encode()


@pytest.mark.parametrize("text", ["NaN", '{"a":Infinity}', "[-Infinity]", "", "{", "01", "'a'"])
def test_invalid_json_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|line 1"):
        json_codec.decode(text)


def test_numbers_without_a_json_form_become_null() -> None:
    assert json_codec.encode([float("nan"), float("inf"), 1.5]) == b"[null,null,1.5]"


def test_large_integers_stay_exact_and_the_largest_become_infinity() -> None:
    assert json_codec.encode(json_codec.decode(b"123456789012345678901234567890")) == (
        b"123456789012345678901234567890"
    )
    # More digits than Python converts. A browser decodes it as Infinity.
    assert json_codec.decode(b"1" * 5000) == float("inf")


def test_invalid_utf8_and_a_bom_are_decoded_as_in_a_browser() -> None:
    assert json_codec.decode(b'\xef\xbb\xbf"a\xffb"') == "a\ufffdb"


def nested(levels: int, innermost: Any = None) -> Any:
    for level in range(levels):
        innermost = {"a": innermost, 'b "[{"': [1]} if level % 2 else ["]\\", innermost]
    return innermost


@given(st.integers(0, json_codec.MAX_DEPTH + 30), _VALUES, st.booleans(), st.integers(0, 10))
def test_nesting_is_limited_by_the_levels_of_the_value_and_by_nothing_else(
    levels: int, value: Any, is_text: bool, wrappers: int
) -> None:
    value = nested(levels, value)
    text: Any = json.dumps(value)
    text = text if is_text else text.encode()
    if json_codec.is_nested_deeper(value, json_codec.MAX_DEPTH + wrappers):
        with pytest.raises(json_codec.NestedTooDeeply):
            json_codec.decode(text, wrappers=wrappers)
        pruned = json_codec.decode_pruned(text, wrappers=wrappers)
        assert not json_codec.is_nested_deeper(pruned, json_codec.MAX_DEPTH + wrappers)
        assert json_codec.TOO_DEEP in json.dumps(pruned)
    else:
        assert json_codec.decode(text, wrappers=wrappers) == value
        assert json_codec.decode_pruned(text, wrappers=wrappers) == value


@pytest.mark.parametrize("text", ["[" * 201 + "]" * 201, '{"a":' * 201 + "1" + "}" * 201])
def test_201_levels_are_too_many(text: str) -> None:
    with pytest.raises(json_codec.NestedTooDeeply, match="at most 200 levels"):
        json_codec.decode(text)
    json_codec.decode(text[text.index(text[0], 1) : -1])


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, "[{}," * 100_000])
def test_the_nesting_of_invalid_json_is_counted_too(text: str) -> None:
    with pytest.raises(json_codec.NestedTooDeeply):
        json_codec.decode(text.encode())


def test_wide_json_is_not_deep() -> None:
    value = [{"a": [[]]}, "[[[{{{"] * 5_000
    assert json_codec.decode(json_codec.encode(value)) == value


def test_a_value_that_contains_itself_is_nested_deeper() -> None:
    value: list[Any] = []
    value += [value, value]
    assert json_codec.is_nested_deeper(value)


def test_keys_on_which_clients_throw_are_removed_at_any_depth() -> None:
    value = {
        "a": [{"__proto__": 1, "b": 2}],
        "constructor": {"prototype": {}},
        "c": ({"constructor": {"name": "fine"}},),
    }
    assert json_codec.has_forbidden_key(value)
    assert json_codec.sanitize(value) == {"a": [{"b": 2}], "c": [{"constructor": {"name": "fine"}}]}


@given(_VALUES)
def test_a_value_without_such_keys_is_not_copied(value: Any) -> None:
    assert json_codec.sanitize(value) is value


def test_a_value_without_a_json_form_is_an_error() -> None:
    with pytest.raises(TypeError):
        json_codec.encode({"a": object()})
