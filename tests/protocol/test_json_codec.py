"""JSON: any valid text is read, only what every client can read is written."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream import json_codec

#: Any string that a browser can send: with lone surrogates.
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
def test_every_json_value_is_read_as_it_is(value: Any, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert json_codec.decode(text) == value


@given(_VALUES)
def test_what_is_written_is_json_in_utf8_of_the_same_value(value: Any) -> None:
    written = json_codec.encode(value)
    assert b"\n" not in written
    expected = json.loads(as_browsers_decode(json.dumps(value, ensure_ascii=False)))
    assert json.loads(written.decode("utf-8", "strict")) == expected


def test_an_emoji_cut_in_half_is_read_and_written_as_a_replacement_character() -> None:
    half = json_codec.decode(b'{"text":"a\\ud83d"}')
    assert half == {"text": "a\ud83d"}
    assert json_codec.encode(half) == '{"text":"a\ufffd"}'.encode()
    assert json_codec.encode(["\ud83d\ude00"]) == '["😀"]'.encode()


@pytest.mark.parametrize("text", ["NaN", '{"a":Infinity}', "[-Infinity]", "", "{", "01", "'a'"])
def test_what_is_no_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|line 1"):
        json_codec.decode(text)


def test_numbers_that_json_cannot_write_become_null() -> None:
    assert json_codec.encode([float("nan"), float("inf"), 1.5]) == b"[null,null,1.5]"


def test_integers_stay_exact_and_the_longest_are_read() -> None:
    assert json_codec.encode(json_codec.decode(b"123456789012345678901234567890")) == (
        b"123456789012345678901234567890"
    )
    # More digits than Python converts. A browser reads Infinity.
    assert json_codec.decode(b"1" * 5000) == float("inf")


def test_bytes_that_are_not_utf8_and_a_bom_are_read_as_a_browser_reads_them() -> None:
    assert json_codec.decode(b'\xef\xbb\xbf"a\xffb"') == "a\ufffdb"


def test_nesting_without_end_is_an_error_and_not_a_crash() -> None:
    with pytest.raises(ValueError, match="deeply"):
        json_codec.decode(b"[" * 100_000 + b"]" * 100_000)
    deep = json_codec.decode(b"[" * 800 + b"]" * 800)
    assert json_codec.sanitize(deep) is deep


def test_keys_on_which_clients_throw_are_removed_wherever_they_are() -> None:
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
