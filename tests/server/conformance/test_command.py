"""`usechat-server check` on recorded streams: its reports, its exit status, its errors."""

from __future__ import annotations

import io
import json
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from usechat_server.cli import main
from usechat_server.conformance import RULES
from usechat_server.conformance.rules import StreamExample

EXAMPLES = {
    name: rule.example.body
    for name, rule in RULES.items()
    if isinstance(rule.example, StreamExample)
}
CORRECT = EXAMPLES["no-done"] + b"data: [DONE]\n\n"


def check(*arguments: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main(["check", *map(str, arguments)])
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.mark.parametrize(
    ("body", "options", "status"),
    [
        (CORRECT, [], 0),
        (EXAMPLES["part-open"], [], 1),
        (EXAMPLES["no-done"], [], 0),
        (EXAMPLES["no-done"], ["--strict"], 1),
        (EXAMPLES["unknown-field"], [], 1),
        (EXAMPLES["unknown-field"], ["--client-version", "6.0.0"], 0),
    ],
)
def test_the_exit_status(tmp_path: Path, body: bytes, options: list[str], status: int) -> None:
    (tmp_path / "response.txt").write_bytes(body)
    assert check(tmp_path / "response.txt", *options) == status


def test_standard_input(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(EXAMPLES["block-unknown"])))
    assert check("-") == 1
    assert "[block-unknown; throws: every release]" in capsys.readouterr().out


def test_a_continued_message(tmp_path: Path) -> None:
    example = RULES["same-message"].example
    assert isinstance(example, StreamExample)
    assert example.message
    (tmp_path / "response.txt").write_bytes(example.body)
    (tmp_path / "message.json").write_text(json.dumps(example.message.to_object()))
    assert check(tmp_path / "response.txt") == 0
    assert check(tmp_path / "response.txt", "--message", tmp_path / "message.json") == 1


def test_the_formats(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "response.txt"
    path.write_bytes(EXAMPLES["part-open"])
    output = {}
    for name in ("human", "tap", "junit", "json"):
        assert check(path, "--format", name) == 1
        output[name] = capsys.readouterr().out
    assert "0 passed, 1 failed, 0 not judged; 1 errors, 0 warnings" in output["human"]
    assert output["tap"].splitlines()[:3] == [
        "TAP version 14",
        "1..1",
        f"not ok 1 - {path}",
    ]
    suite = ET.fromstring(output["junit"])
    assert (suite.get("tests"), suite.get("failures")) == ("1", "1")
    failure = suite.find("testcase/failure")
    assert failure is not None
    assert failure.get("type") == "part-open"
    [result] = json.loads(output["json"])["results"]
    assert result["status"] == "failed"
    assert [problem["rule"] for problem in result["problems"]] == ["part-open"]


@pytest.mark.parametrize("name", ["human", "tap", "junit", "json"])
def test_what_a_backend_sends_does_not_reach_the_terminal(
    name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "\\u001b[2J \\ud83d \\u0000 # <b>"
    path = tmp_path / "response.txt"
    path.write_text(f'data: {{"type":"text-delta","id":"{text}","delta":"a"}}\n\n')
    assert check(path, "--format", name) == 1
    output = capsys.readouterr().out
    output.encode()
    assert "\x1b" not in output
    assert "block-unknown" in output
    if name == "junit":
        ET.fromstring(output)


@pytest.mark.parametrize("rule", RULES)
def test_every_rule_is_explained(rule: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert check("--explain", rule) == 0
    assert capsys.readouterr().out.startswith(f"{rule} (")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ([], "expected a URL or a file"),
        (["no-such-file"], "cannot read no-such-file: No such file or directory"),
        (["/"], "cannot read /: Is a directory"),
        (["-", "--client-version", "4.2"], "4.2 looks like the version of @ai-sdk/react"),
        (["-", "--explain", "spelling"], "invalid choice: 'spelling'"),
        (["http://127.0.0.1:1/api/chat"], "POST http://127.0.0.1:1/api/chat: "),
        (["http://[::1/api/chat"], "http://[::1/api/chat is not a URL: "),
        (["-", "--header", "secret"], "expected 'NAME: VALUE', got 'secret'"),
        (["-", "--scenario", "dance"], "invalid choice: 'dance'"),
        (["-", "--clients", "5.0.277,x"], "'x' is not a release of ai"),
        (["-", "--message", "no-such-file"], "cannot read no-such-file"),
        (["-", "--message", "message.txt"], "--message message.txt: "),
    ],
)
def test_an_error_is_one_line(
    arguments: list[str],
    error: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO()))
    (tmp_path / "message.txt").write_text("Hello")
    assert check(*arguments) == 2
    last_line = capsys.readouterr().err.splitlines()[-1]
    assert error in last_line
