"""Every snippet of docs/protocol.md says what the page says it says."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream import checker
from ui_message_stream.grammar import RULES

from tests.harness.serving import serve

PAGE = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text()

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
#: Python that prints something, and what it prints.
PRINTING = [
    (code, said)
    for (language, code), (follows, said) in pairwise(BLOCKS)
    if (language, follows) == ("python", "text")
]
TESTING = [code for language, code in BLOCKS if language == "python" and "def test_" in code]


def run(snippet: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(snippet, "docs/protocol.md", "exec"), names)
    return names


def test_no_snippet_is_left_out() -> None:
    assert PAGE.count("```python") == len(PRINTING) + len(TESTING)


@pytest.mark.parametrize(("snippet", "said"), PRINTING)
def test_a_snippet_prints_what_the_page_says(
    snippet: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(snippet)
    assert capsys.readouterr().out == said


def test_the_test_of_a_backend_passes_with_ours_and_fails_without_it() -> None:
    [snippet] = TESTING
    with serve("tests.harness.apps:agent", "usechat") as served:
        run(snippet.replace("http://127.0.0.1:8000", served.url))["test_chat"]()
        wrong = run(snippet.replace("http://127.0.0.1:8000/api/chat", f"{served.url}/healthz"))
        with pytest.raises(AssertionError):
            wrong["test_chat"]()


def test_the_page_names_every_rule() -> None:
    rows = [f"| `{rule.name}` | {rule.text} | {rule.fatal or ''} |" for rule in RULES.values()]
    assert "\n".join(rows).replace("|  |", "| |") in PAGE
    named = re.findall(r'_add_finding\(\s*"([a-z0-9-]+)"', Path(checker.__file__).read_text())
    assert len(named) > 10
    assert [rule for rule in named if f"`{rule}`" not in PAGE] == []
