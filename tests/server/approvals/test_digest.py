"""Digests of inputs: those of the AI SDK, and stable when an input goes through a browser."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ui_message_stream import json_codec
from usechat_server.approvals.digest import canonical_json, digest, sign

from tests.harness.node import require

#: Reads a JSON text a line; writes it as a browser sends it back, and in canonical form.
BROWSER = """
const canonical = value =>
  Array.isArray(value) ? `[${value.map(canonical).join()}]`
  : value && typeof value === "object"
  ? `{${Object.keys(value).sort().map(k => JSON.stringify(k) + ":" + canonical(value[k])).join()}}`
  : JSON.stringify(value);
require("readline").createInterface({ input: process.stdin }).on("line", line => {
  const value = JSON.parse(line);
  console.log(JSON.stringify([JSON.stringify(value), canonical(value)]));
});
"""

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
#: What a tool's input can be. `__proto__` is not sent.
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text("aZ_0é\U0001f600\uffee\n"), inner)
    ),
    max_leaves=8,
)


@pytest.fixture(scope="module")
def browser() -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [require(), "-e", BROWSER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield process
        assert process.stdin
        process.stdin.close()
        process.wait(20)


def through_browser(browser: subprocess.Popen[str], value: Any) -> tuple[Any, str]:
    """Return the value that a browser sends back, and its canonical JSON there."""
    assert browser.stdin
    assert browser.stdout
    browser.stdin.write(json.dumps(value) + "\n")
    browser.stdin.flush()
    sent, canonical = json.loads(browser.stdout.readline())
    return json_codec.decode(sent), canonical


@given(value=VALUES)
def test_canonical_json_is_the_ai_sdks(browser: subprocess.Popen[str], value: Any) -> None:
    assert canonical_json(value) == through_browser(browser, value)[1]


@given(value=VALUES)
def test_only_a_rounded_number_changes_in_a_browser(
    browser: subprocess.Popen[str], value: Any
) -> None:
    echoed, _ = through_browser(browser, value)
    is_unchanged = digest(echoed, exact=True) == digest(value, exact=True)
    assert is_unchanged or any(abs(number) > 2**53 for number in integers(value))


def integers(value: Any) -> Iterator[int]:
    if isinstance(value, int):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from integers(item)


@given(VALUES, VALUES)
def test_different_values_have_different_digests(one: Any, other: Any) -> None:
    # In JSON, true is not 1, but 1.0 is.
    same = canonical_json(one, exact=True) == canonical_json(other, exact=True)
    assert same == (digest(one, exact=True) == digest(other, exact=True))
    assert not same or one == other


def test_the_signature_is_the_ai_sdks() -> None:
    # Made by ai 7.0.173 with the secret "s".
    signature = sign("s", "aitxt-2", "toolu_A", "weather", {"city": "Paris"})
    assert signature == "pFAw8Yl_Xks4Ev4teogUFjxWczNw0DPHNE78-mkP_5A"
