"""Stores with the tables of an earlier release, before and after `usechat-server db upgrade`."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx
import pytest

from tests.compatibility.backend import DATA, answer_all, backend, run_db, summary, user_message
from tests.compatibility.test_stores import CHATS, FINISHED
from tests.harness.fake_provider import FakeProvider
from tests.harness.redis_server import RedisServer
from tests.harness.serving import serve

COMMAND = "Run: usechat-server db upgrade"


def test_a_server_does_not_start_before_the_upgrade(old_store: str) -> None:
    check = run_db("check", old_store)
    assert check.returncode == 2
    assert COMMAND in check.stderr
    server = serve("tests.harness.apps:agent", "usechat", env={"USECHAT_STORE": old_store})
    with pytest.raises(RuntimeError, match=COMMAND), server:
        pass


def test_an_upgrade_changes_no_chat_and_can_be_repeated(
    provider: FakeProvider, old_store: str
) -> None:
    assert "now (before: 0001)" in run_db("upgrade", old_store).stdout
    assert "already" in run_db("upgrade", old_store).stdout
    with backend(provider, store=old_store) as ann:
        for chat_id, expected in CHATS.items():
            assert list(map(summary, ann.messages(chat_id))) == expected, chat_id


def test_the_chats_of_the_demo_are_upgraded_when_it_starts(tmp_path: Path) -> None:
    shutil.copy(DATA / "chats.db", tmp_path)
    with serve("", "usechat", cwd=tmp_path) as demo:
        response = httpx.get(f"{demo.url}/api/chat/finished", trust_env=False)
    assert list(map(summary, response.json()["messages"])) == FINISHED


def test_an_old_chat_goes_on_with_redis(
    redis: RedisServer, provider: FakeProvider, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("USECHAT_REDIS_URL", redis.url)
    monkeypatch.setenv("USECHAT_SECRET", "some secret of this test that no other process needs")
    answer_all(provider)
    with backend(provider, store=store) as ann:
        ann.send("finished", user_message("Can you go on?"))
        messages = ann.messages("finished")
        outcomes = [turn["outcome"] for turn in ann.turns("finished")]
    assert list(map(summary, messages[-2:])) == [["Can you go on?"], ["Of course."]]
    assert outcomes == ["finished"] * 3
