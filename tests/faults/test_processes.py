"""Processes killed and paused, Redis restarted and frozen, pages that lose their connection, all at
random points of many turns: every page has what is stored, once, and no tool ran twice.

USECHAT_FAULT_TURNS=300 makes it many, USECHAT_FAULT_SEED another sequence.
"""

from __future__ import annotations

import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest
from ui_message_stream.messages import ToolPart

from tests.faults.visitor import Visitor
from tests.harness.fake_provider import (
    FakeProvider,
    RecordedRequest,
    Reply,
    message,
    text,
    tool_use,
)
from tests.harness.redis_server import redis_server
from tests.harness.round_robin import RoundRobin
from tests.server.coordination.servers import Cluster

TURNS = int(os.environ.get("USECHAT_FAULT_TURNS", "16"))
SEED = int(os.environ.get("USECHAT_FAULT_SEED", "1"))
#: Turns at once.
VISITORS = 4
DEADLINE = 30.0

CLIENT_VERSIONS = ("7.0.173", "6.0.324", "5.0.92")
BEFORE = [f"b{number} " for number in range(15)]
AFTER = [f"a{number} " for number in range(25)]


def reply(request: RecordedRequest) -> Reply:
    """What the model says to `chat-7 charge`: some text, a call of the tool, and more text."""
    turns = request.json["messages"]
    said = next(
        b["text"] for t in turns if t["role"] == "user" for b in t["content"] if "text" in b
    )
    chat, tool = said.split()
    if tool == "none" or len(turns) > 1:
        return Reply(message(text(*AFTER)), pace=0.03)
    given = {"charge": {"amount": 5}, "look": {"city": "Bern"}}[tool]
    call = tool_use(f"toolu_{chat}", tool, given)
    return Reply(message(text(*BEFORE), call, stop_reason="tool_use"), pace=0.03)


class Faults:
    """What goes wrong, one after another, until `stop`."""

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self.happened: Counter[str] = Counter()
        self._cluster = cluster
        self._chance = chance
        self._over = threading.Event()

    def run(self) -> None:
        kinds = [self.kill, self.kill, self.pause, self.restart_redis, self.freeze_redis]
        while not self._over.wait(self._chance.uniform(0.2, 2.0)):
            kind = self._chance.choice(kinds)
            self.happened[kind.__name__] += 1
            kind()

    def stop(self) -> None:
        self._over.set()

    def kill(self) -> None:
        self._cluster.kill(self._chance.choice(self._cluster.servers))
        time.sleep(self._chance.uniform(0.0, 1.0))
        self._cluster.start()

    def pause(self) -> None:
        process = self._chance.choice(self._cluster.servers).process
        process.send_signal(signal.SIGSTOP)
        time.sleep(self._chance.choice([0.3, 2.0, 7.0]))
        process.send_signal(signal.SIGCONT)

    def restart_redis(self) -> None:
        self._cluster.redis.stop()
        time.sleep(self._chance.uniform(0.0, 1.5))
        self._cluster.redis.start()

    def freeze_redis(self) -> None:
        self._cluster.redis.pause()
        time.sleep(self._chance.choice([0.5, 3.0]))
        self._cluster.redis.resume()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    store = f"sqlite:///{tmp_path}/chats.db"
    command = str(Path(sys.executable).parent / "usechat-server")
    subprocess.run([command, "db", "upgrade", "--store", store], check=True)
    with redis_server() as redis, Cluster(redis, tmp_path, {"USECHAT_STORE": store}) as cluster:
        cluster.provider.on(reply)
        cluster.start()
        yield cluster


@contextmanager
def happening(faults: Faults) -> Iterator[None]:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(faults.run)
        try:
            yield
        finally:
            faults.stop()
            running.result()


def nothing_is_open(provider: FakeProvider) -> None:
    deadline = time.monotonic() + DEADLINE
    for request in provider.requests:
        while not (request.done.is_set() or request.closed.is_set()):
            assert time.monotonic() < deadline, f"still open: {request.last_text}"
            time.sleep(0.02)


@pytest.mark.timeout(120 + 10 * TURNS)
def test_every_page_has_the_stored_answer_whatever_fails(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    tools = [chance.choice(["none", "charge", "look"]) for _ in range(TURNS)]
    faults = Faults(cluster, random.Random(chance.random()))
    with RoundRobin(lambda: [served.port for served in cluster.servers]) as proxy:

        def visit(number: int) -> tuple[Visitor, Visitor]:
            luck = random.Random(SEED * 100_000 + number)
            chat = f"chat-{number}"
            said = f"{chat} {tools[number]}"
            first, second = (
                Visitor(
                    proxy.url,
                    chat,
                    said,
                    luck.choice(CLIENT_VERSIONS),
                    random.Random(luck.random()),
                )
                for _ in range(2)
            )
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(second.follow)  # another tab
                first.ask()
                other.result()
            return first, second

        with happening(faults), ThreadPoolExecutor(VISITORS) as pool:
            visited = list(pool.map(visit, range(TURNS)))
        # What was read while the answer was still being stored is read once more.
        for visitors in visited:
            for visitor in visitors:
                visitor.follow()
    nothing_is_open(cluster.provider)
    whole = 0
    for number, visitors in enumerate(visited):
        expected = "".join(AFTER if tools[number] == "none" else BEFORE + AFTER)
        for visitor in visitors:
            assert expected.startswith(visitor.text()), f"{visitor.chat}: {visitor.text()}"
            whole += visitor.text() == expected
            assert visitor.stored is not None
            for shown in visitor.shown:
                assert shown.to_object() == visitor.stored.to_object()
            calls = [part for part in visitor.stored.parts if isinstance(part, ToolPart)]
            assert all(call.state in {"output-available", "output-error"} for call in calls)
    begun = Counter(re.findall(r"charge (\S+) begins", cluster.runs.read_text()))
    assert not [call for call, times in begun.items() if times > 1]
    print(f"{TURNS} turns, {whole} of {2 * TURNS} whole; {dict(faults.happened)}")
