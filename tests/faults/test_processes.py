"""Processes killed and paused, Redis restarted and frozen, clients that lose their connection, at
random points of many turns: every client has what is stored, once, and no tool ran twice.

USECHAT_FAULT_TURNS=300 runs many turns, USECHAT_FAULT_SEED=2 another sequence.
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

from tests.faults.persistent_client import PersistentClient
from tests.harness.common import DEADLINE
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
#: Turns at the same time.
CLIENTS = 4

CLIENT_VERSIONS = ("7.0.173", "6.0.324", "5.0.92")
BEFORE = [f"b{number} " for number in range(15)]
AFTER = [f"a{number} " for number in range(25)]


def reply(request: RecordedRequest) -> Reply:
    """Respond to `chat-7 charge` with text, a call of the tool, and more text."""
    turns = request.json["messages"]
    user_text = next(
        block["text"]
        for turn in turns
        if turn["role"] == "user"
        for block in turn["content"]
        if "text" in block
    )
    chat, tool = user_text.split()
    if tool == "none" or len(turns) > 1:
        return Reply(message(text(*AFTER)), pace=0.03)
    arguments = {"charge": {"amount": 5}, "look": {"city": "Bern"}}[tool]
    call = tool_use(f"toolu_{chat}", tool, arguments)
    return Reply(message(text(*BEFORE), call, stop_reason="tool_use"), pace=0.03)


class Faults:
    """Injects one fault after another until `stop`."""

    def __init__(self, cluster: Cluster, chance: random.Random) -> None:
        self.counts: Counter[str] = Counter()
        self._cluster = cluster
        self._chance = chance
        self._stopped = threading.Event()

    def run(self) -> None:
        kinds = [self.kill, self.kill, self.pause, self.restart_redis, self.freeze_redis]
        while not self._stopped.wait(self._chance.uniform(0.2, 2.0)):
            kind = self._chance.choice(kinds)
            self.counts[kind.__name__] += 1
            kind()

    def stop(self) -> None:
        self._stopped.set()

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
def injecting(faults: Faults) -> Iterator[None]:
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(faults.run)
        try:
            yield
        finally:
            faults.stop()
            running.result()


def wait_until_closed(provider: FakeProvider) -> None:
    """Wait until no request to the model is open."""
    deadline = time.monotonic() + DEADLINE
    for request in provider.requests:
        while not (request.done.is_set() or request.closed.is_set()):
            assert time.monotonic() < deadline, f"still open: {request.last_text}"
            time.sleep(0.02)


def follow_all(turns: list[tuple[PersistentClient, PersistentClient]]) -> None:
    for clients in turns:
        for client in clients:
            client.follow()


@pytest.mark.timeout(120 + 10 * TURNS)
def test_every_client_has_the_stored_response_despite_faults(cluster: Cluster) -> None:
    chance = random.Random(SEED)
    tools = [chance.choice(["none", "charge", "look"]) for _ in range(TURNS)]
    faults = Faults(cluster, random.Random(chance.random()))
    with RoundRobin(lambda: [served.port for served in cluster.servers]) as proxy:

        def run_turn(number: int) -> tuple[PersistentClient, PersistentClient]:
            chance = random.Random(SEED * 100_000 + number)
            chat = f"chat-{number}"
            first, second = (
                PersistentClient(
                    proxy.url,
                    chat,
                    f"{chat} {tools[number]}",
                    chance.choice(CLIENT_VERSIONS),
                    random.Random(chance.random()),
                )
                for _ in range(2)
            )
            with ThreadPoolExecutor(1) as pool:
                other = pool.submit(second.follow)  # another tab
                first.send()
                other.result()
            return first, second

        with injecting(faults), ThreadPoolExecutor(CLIENTS) as pool:
            turns = list(pool.map(run_turn, range(TURNS)))
        # Messages that were loaded while the response was being stored are loaded once more.
        follow_all(turns)
        # Known to be lost: a run whose process was killed before its first checkpoint, and Redis
        # emptied with it. The chat has a question without a response, and its user sends it again.
        undelivered = [first for first, _ in turns if first.stored is None]
        for client in undelivered:
            client.send()
        follow_all(turns)
    wait_until_closed(cluster.provider)
    complete = 0
    for number, clients in enumerate(turns):
        expected = "".join(AFTER if tools[number] == "none" else BEFORE + AFTER)
        for client in clients:
            assert expected.startswith(client.text()), f"{client.chat}: {client.text()}"
            complete += client.text() == expected
            assert client.stored is not None
            for streamed in client.streamed:
                assert streamed.to_object() == client.stored.to_object()
            calls = [part for part in client.stored.parts if isinstance(part, ToolPart)]
            assert all(call.state in {"output-available", "output-error"} for call in calls)
    begun = Counter(re.findall(r"charge (\S+) begins", cluster.runs.read_text()))
    assert not [call for call, times in begun.items() if times > 1]
    print(f"{TURNS} turns, {len(undelivered)} sent again, {complete} of {2 * TURNS} complete")
    print(dict(faults.counts))
