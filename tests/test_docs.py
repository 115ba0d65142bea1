"""Every snippet of docs/protocol.md runs, and prints what the text says."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ui_message_stream import checker
from ui_message_stream.grammar import RULES

from tests.harness.serving import serve

TEXT = (Path(__file__).parents[1] / "docs" / "protocol.md").read_text()

BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
#: Snippets that print something, with their output.
PRINTING = [
    (code, output)
    for (language, code), (next_language, output) in pairwise(BLOCKS)
    if (language, next_language) == ("python", "text")
]
TESTING = [code for language, code in BLOCKS if language == "python" and "def test_" in code]


def run(snippet: str) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "snippet"}
    exec(compile(snippet, "docs/protocol.md", "exec"), names)
    return names


def test_every_snippet_is_run() -> None:
    assert TEXT.count("```python") == len(PRINTING) + len(TESTING)


@pytest.mark.parametrize(("snippet", "output"), PRINTING)
def test_a_snippet_prints_its_output(
    snippet: str, output: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(snippet)
    assert capsys.readouterr().out == output


def test_the_test_of_a_backend_passes_only_with_a_working_backend() -> None:
    [snippet] = TESTING
    with serve("tests.harness.apps:agent", "usechat") as served:
        run(snippet.replace("http://127.0.0.1:8000", served.url))["test_chat"]()
        without_chat = run(
            snippet.replace("http://127.0.0.1:8000/api/chat", f"{served.url}/healthz")
        )
        with pytest.raises(AssertionError):
            without_chat["test_chat"]()


def test_every_rule_is_documented() -> None:
    rows = [f"| `{rule.name}` | {rule.text} | {rule.fatal or ''} |" for rule in RULES.values()]
    assert "\n".join(rows).replace("|  |", "| |") in TEXT
    rules = re.findall(r'_add_finding\(\s*"([a-z0-9-]+)"', Path(checker.__file__).read_text())
    assert len(rules) > 10
    assert [rule for rule in rules if f"`{rule}`" not in TEXT] == []
