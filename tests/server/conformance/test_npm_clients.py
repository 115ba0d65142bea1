"""The published clients as judges: they throw on what the rules say that they throw on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from ui_message_stream.versions import ClientVersion
from usechat_server.conformance import RULES, check_stream
from usechat_server.conformance.clients import ClientUnavailable, NpmClient
from usechat_server.conformance.rules import StreamExample

from tests.harness.node import CLIENTS, require
from tests.server.conformance.test_command import check

STREAM_RULES = [rule for rule in RULES.values() if isinstance(rule.example, StreamExample)]
RELEASES = ("5.0.92", "5.0.277", "6.0.0", "7.0.173")


@pytest.fixture
def clients(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[ClientVersion]:
    """The releases that the tests have, in the cache of the command."""
    node = require()
    monkeypatch.setenv("PATH", f"{node.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for release in RELEASES:
        packages = tmp_path / "usechat-server" / "clients" / release / "node_modules"
        packages.mkdir(parents=True)
        (packages / "ai").symlink_to(CLIENTS / "node_modules" / f"ai-{release}")
    return [ClientVersion.parse(release) for release in RELEASES]


def throws(client_version: ClientVersion, releases: str) -> bool:
    """Whether a release is among those of a problem, such as "5.x, 7.x before 7.0.79"."""
    for each in filter(None, releases.split(", ")):
        major, _, before = each.partition(" before ")
        if each == "every release":
            return True
        if major == f"{client_version.major}.x":
            return not before or client_version < ClientVersion.parse(before)
    return False


def test_clients_throw_where_a_rule_says_so(clients: list[ClientVersion]) -> None:
    for version in clients:
        examples = [
            (rule.id, rule.example)
            for rule in STREAM_RULES
            if isinstance(rule.example, StreamExample) and version >= rule.example.client_version
        ]
        errors = NpmClient.install(version).read([(e.body, e.message) for _, e in examples])
        for (name, example), error in zip(examples, errors, strict=True):
            problems = check_stream(example.body, example.client_version, message=example.message)
            expected = any(throws(version, problem.throws) for problem in problems)
            is_sent = b'"type": "error"' in example.body
            assert (error is not None) == (expected or is_sent), (str(version), name, error)


def test_a_client_that_throws_fails_the_check(
    clients: list[ClientVersion], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    example = RULES["unknown-field"].example
    assert isinstance(example, StreamExample)
    (tmp_path / "response.txt").write_bytes(example.body)
    options = ["--client-version", "5.0.0", "--clients"]
    assert check(tmp_path / "response.txt", *options, "5.0.92,7.0.173") == 1
    output = capsys.readouterr().out
    assert "the client of ai 5.0.92 stops: " in output
    assert "the client of ai 7.0.173 stops: " not in output


def test_without_node_the_error_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ClientUnavailable, match="requires Node"):
        NpmClient.install(ClientVersion(7))
