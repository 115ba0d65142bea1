"""Words that were replaced by the protocol's and the field's terms do not come back."""

from __future__ import annotations

import ast
import re
import subprocess
from collections.abc import Iterator
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
    r"AnswerFunction": "ChatHandler",
    r"MinClientVersion|min_client_version": "ClientVersion, client_version",
    r"so_far": "current_turn, or what it is a part of",
    r"patience": "idle_timeout",
    r"Follower": "LogSubscriber",
    r"Replica": "RemoteLog",
}

#: A name that nothing is given in Python → the name, or the kind of name, that is. The words are
#: too common in English to be searched for in the text.
OLD_NAMES = {
    "answer answers answered unanswered ANSWER": "response, message or run",
    "asked ASKED denied settled automatic": "approval_request_chunks, denial_chunks, …",
    "ask_to_stop": "request_stop",
    "asks": "may_require_approval",
    "besides allowing": "extra_chunk_types, with_chunk_types",
    "Form Ranged": "ChunkVariant, VersionedChunk",
    "expand shown preamble": "replay_chunks, downgrade_message, replay_prefix",
    "mask masked": "public_error",
    "Issued": "ApprovalRequest",
    "lose": "abandon",
    "claim": "acquire",
    "Found Opened Live Dead": "RunState, LogSubscription, LeasedRun, OrphanedRun",
    "takes": "takeovers",
    "delivered promised came owed": "acknowledged, expected and connected readers",
    "Heart beat": "Heartbeat, tick",
    "Mirror Copy mirror": "LogPublisher, PublishedLog",
    "Shared Held": "RedisCommands, …",
    "said": "text_bytes, or the chunks, text or response that is meant",
    "Terms End": "RunConfig, RunOutcome",
    "Output": "RunWriter",
    "Readers": "IdleTimer",
    "say holds": "write, blocks_steps",
    "Record recorded": "MessageRecord, read_record",
    "Beat Scene scene retell": "ScriptEvent, script, describe",
    "SPOKEN spoken": "a response",
    "told made found": "the noun of what it is: chunk, message, record",
    "who": "user",
    "person": "user",
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
    lines = [
        f"{path}: {number}: {line.strip()}"
        for path in FILES
        for number, line in enumerate((ROOT / path).read_text().splitlines(), 1)
        if old.search(line) and not allowed.search(f"{path}: {line}")
    ]
    assert not lines, f"use {GLOSSARY[word]!r}:\n" + "\n".join(lines)


def given_names(source: str) -> Iterator[tuple[int, str]]:
    """Yield the line and name of each definition, parameter, variable and attribute."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                yield node.lineno, node.name
            case ast.arg():
                yield node.lineno, node.arg
            case ast.Name(ctx=ast.Store()):
                yield node.lineno, node.id
            case ast.Attribute(ctx=ast.Store()):
                yield node.lineno, node.attr


def test_an_old_name_does_not_come_back() -> None:
    better = {old: new for names, new in OLD_NAMES.items() for old in names.split()}
    lines = [
        f"{path}:{line}: {name} ({better[name.lstrip('_')]})"
        for path in FILES
        if path.endswith(".py")
        for line, name in given_names((ROOT / path).read_text())
        if name.lstrip("_") in better
    ]
    assert not lines, "\n".join(lines)
