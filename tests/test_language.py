"""Words that were replaced by the protocol's and the field's terms do not come back."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

#: A word that is not used (a regular expression, any case unless it has capitals) → what is.
GLOSSARY = {
    # concepts
    r"floors?": "client version",
    r"whoever|somebody|nobody|anybody": "the user, client, caller or process that is meant",
    r"persons?|people": "user, users",
    r"somebody else's": "another user's",
    r"(is|are|was|were) away": "unavailable",
    r"goes before|go before": "takes precedence",
    r"leave to ask": "permission",
    r"home-made": "custom",
    # names
    r"Answer(er|ing)|CodeAnswer|Unanswered": "ResponderFactory, Responder, …",
    r"(Local|Redis)?Board": "Coordinator",
    r"BadRequest": "ChatError and its subclasses",
    r"Keeping": "Persistence",
    r"Accounts": "UsageTracker",
    r"Weave|Strand": "StreamMerger, MergedStream",
    r"StoreAway|AWAY": "StoreUnavailable, UNAVAILABLE",
    r"Masked": "PublicError",
    r"Ranged": "VersionedChunk",
    r"SqlChats": "SqlChatStore",
    r"take_back|go_on|give_up": "reset_step, continue_…, abort",
    r"jsontext": "json_codec",
    r"Setup": "StepConfig",
}

#: Where an old word has to stand, as regular expressions of `path: line`.
ALLOWED = (
    # the file that holds the words, and what tells of the renames
    r"tests/test_language\.py:",
    r"CHANGELOG\.md:",
    # read for clients and processes of before 0.1
    r"x-usechat-floor|USECHAT_FLOOR|\"floor\"",
    r"Math\.floor|math\.floor",
    r"tests/compatibility/",
)

FILES = [
    path
    for path in subprocess.check_output(["git", "ls-files"], cwd=ROOT, text=True).splitlines()
    if path.endswith((".py", ".md", ".ts", ".tsx", ".mjs", ".css", "Makefile", ".ci/run"))
    and (ROOT / path).exists()
]


@pytest.mark.parametrize("word", GLOSSARY)
def test_an_old_word_does_not_come_back(word: str) -> None:
    flags = 0 if re.search("[A-Z]", word) else re.IGNORECASE
    old = re.compile(rf"(?<!\w)(?:{word})(?!\w)", flags)
    allowed = re.compile("|".join(ALLOWED))
    found = [
        f"{path}: {number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if old.search(line) and not allowed.search(f"{path}: {line}")
    ]
    assert not found, f"use {GLOSSARY[word]!r}:\n" + "\n".join(found)
