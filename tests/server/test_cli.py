"""The command line."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from usechat_server import ChatApp
from usechat_server.cli import load
from usechat_server.settings import describe

from tests.harness.common import DEADLINE
from tests.harness.live import chunks, user
from tests.harness.serving import serve

ROOT = str(Path(__file__).parents[2])
COMMAND = Path(sys.executable).parent / "usechat-server"


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )


def test_help_names_every_setting() -> None:
    completed = run("serve", "--help", COLUMNS="80")
    assert completed.returncode == 0
    for option in ("MODULE:NAME", "--host", "--port", "--reload"):
        assert option in completed.stdout
    help_text = " ".join(completed.stdout.split())
    for variable, default, text in describe():
        assert f"{variable} (default: {default or 'none'}) {text.replace('`', '')}" in help_text


@pytest.mark.parametrize(
    ("arguments", "env", "error"),
    [
        (["nowhere:app"], {}, 'usechat-server: Could not import module "nowhere".'),
        (["json:app"], {}, 'usechat-server: Attribute "app" not found in module "json".'),
        (["json"], {}, 'must be in format "<module>:<attribute>"'),
        (["string:digits"], {}, "expected an ASGI app or an Agent, got '0123456789'"),
        (
            ["tests.harness.apps:needs_v6"],
            {"USECHAT_CLIENT_VERSION": "5.0.92", "PYTHONPATH": ROOT},
            "usechat-server: USECHAT_CLIENT_VERSION: ai 5.0.92 does not support what",
        ),
        ([], {"USECHAT_CLIENT_VERSION": "4.2"}, "USECHAT_CLIENT_VERSION: 4.2 looks like"),
        ([], {"USECHAT_KEEP_ALIVE": "soon"}, "USECHAT_KEEP_ALIVE: "),
        ([], {"USECHAT_PORT": "http"}, "USECHAT_PORT: "),
    ],
)
def test_an_error_is_one_line(arguments: list[str], env: dict[str, str], error: str) -> None:
    completed = run("serve", *arguments, **{"USECHAT_PORT": "0", **env})
    assert completed.returncode in {1, 2}
    assert error in completed.stderr
    assert "Traceback" not in completed.stderr


def test_a_port_in_use_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        completed = run("serve", "tests.harness.apps:agent", "--port", str(port), PYTHONPATH=ROOT)
    assert completed.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}: Address already in use\n" in completed.stderr


def test_connections_are_refused_until_the_app_is_loaded(tmp_path: Path) -> None:
    module = (
        "import pathlib, time\n"
        "while not pathlib.Path('go').exists(): time.sleep(0.01)\n"
        "from tests.harness.apps import agent\n"
    )
    (tmp_path / "slow.py").write_text(f"print('loading', flush=True)\n{module}")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [COMMAND, "serve", "slow:agent", "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ROOT},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline() == "loading\n"
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        (tmp_path / "go").touch()
        lines = iter(process.stderr.readline, "")
        assert any("listening on" in line for line in lines)
        socket.create_connection(("127.0.0.1", port)).close()
    finally:
        process.terminate()
        process.communicate(timeout=DEADLINE)


@pytest.mark.parametrize(
    ("workers", "creation"),
    [
        ("2", "app = create_app(Agent('demo'), settings=Settings(resume=30))"),
        ("2", "def app(): return create_app(Agent('demo'), settings=Settings(workers=1))"),
        ("2", "app = Agent('demo')"),
    ],
)
def test_several_processes_require_redis(tmp_path: Path, workers: str, creation: str) -> None:
    imports = "from usechat_server import Agent, Settings, create_app"
    (tmp_path / "main.py").write_text(f"{imports}\n{creation}\n")
    completed = subprocess.run(
        [COMMAND, "serve", "main:app", "--port", "0", "--workers", workers],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert completed.returncode == 1
    assert completed.stderr == "usechat-server: workers > 1 requires USECHAT_REDIS_URL\n"


def test_an_error_of_the_target_has_its_traceback(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("app = int('many')\n")
    completed = run("serve", "main:app", "--port", "0", PYTHONPATH=str(tmp_path))
    assert completed.returncode == 1
    assert 'main.py", line 1' in completed.stderr


def test_respond_needs_no_redis_for_several_processes(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from starlette.applications import Starlette\n"
        "from starlette.routing import Route\n"
        "from usechat_server import Agent, respond\n"
        "agent = Agent('demo')\n"
        "async def chat(request):\n"
        "    return await respond(request, agent=agent)\n"
        "app = Starlette(routes=[Route('/chat', chat, methods=['POST'])])\n"
    )
    with serving("main:app", "--workers", "2", cwd=tmp_path) as url:
        body = {"messages": [user("Hello")]}
        response = httpx.post(f"{url}/chat", json=body, trust_env=False)
        assert chunks(response.text)[-1]["type"] == "finish"


def test_targets() -> None:
    for target in ("tests.harness.apps:agent", "tests.harness.apps:make_agent"):
        assert isinstance(load(target), ChatApp), target
    assert not isinstance(load("tests.harness.apps:held"), ChatApp)


def test_an_agent_is_served_and_every_run_logged() -> None:
    with serve("tests.harness.apps:make_agent", "usechat") as served:
        body = {"id": "c1", "messages": [user("Hello")]}
        response = httpx.post(f"{served.url}/api/chat", json=body, trust_env=False)
        assert chunks(response.text)[-1]["type"] == "finish"
        assert httpx.get(f"{served.url}/", trust_env=False).status_code == 404
        line = next(line for line in served.output.splitlines() if " finished after " in line)
    fields = json.loads(line[line.index("{") :])
    assert (fields["chat"], fields["model"], fields["outcome"]) == ("c1", "scripted", "finished")


@contextmanager
def serving(*arguments: str, cwd: Path, **env: str) -> Iterator[str]:
    """Start a server in a directory, on a free port, until the block ends. Yields its URL."""
    log = cwd / "log"
    clean = {name: value for name, value in os.environ.items() if name != "ANTHROPIC_API_KEY"}
    with log.open("w") as file:
        process = subprocess.Popen(
            [COMMAND, "serve", "--port", "0", *arguments],
            cwd=cwd,
            env={**clean, **env},
            stderr=file,
        )
    try:
        deadline = time.monotonic() + DEADLINE
        while not (match := re.search(r"listening on (http://\S+)", log.read_text())):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield match[1]
    finally:
        process.terminate()
        process.wait(DEADLINE)


@pytest.mark.parametrize("options", [(), ("--reload",)])
@pytest.mark.parametrize("arguments", ["", "settings=Settings(resume=30)"])
def test_the_options_of_the_command_hold_for_every_app(
    tmp_path: Path, arguments: str, options: tuple[str, ...]
) -> None:
    (tmp_path / "main.py").write_text(
        "from usechat_server import Agent, Settings, create_app\n"
        f"app = create_app(Agent('demo'), {arguments})\n"
    )

    def status(*host: str) -> int:
        with serving("main:app", *host, *options, cwd=tmp_path) as url:
            port = url.rpartition(":")[2]
            address = f"http://127.0.0.1:{port}/healthz"
            headers = {"host": "chat.example.com"}
            return httpx.get(address, headers=headers, trust_env=False).status_code

    # Other host names are rejected on a loopback address only.
    assert status() == 403
    assert status("--host", "0.0.0.0", "--public") == 200


@pytest.mark.parametrize("target", [(), ("main:app",), ("main:agent",)])
def test_an_app_without_users_on_a_public_address_requires_an_option(
    tmp_path: Path, target: tuple[str, ...]
) -> None:
    (tmp_path / "main.py").write_text(
        "from usechat_server import Agent, create_app\n"
        "agent = Agent('demo')\n" + ("app = create_app(agent)\n" if target == ("main:app",) else "")
    )
    result = subprocess.run(
        [COMMAND, "serve", *target, "--host", "0.0.0.0", "--port", "0"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert result.returncode == 1
    assert "on 0.0.0.0 without user=: anyone who can reach it can" in result.stderr
    assert "--public" in result.stderr
    assert "Traceback" not in result.stderr


def test_without_a_target_the_demo_is_served(tmp_path: Path) -> None:
    with serving(cwd=tmp_path) as url:
        headers = {"origin": "http://localhost:3000"}
        body = {"messages": [user("Hello")]}
        response = httpx.post(f"{url}/api/chat", json=body, headers=headers, trust_env=False)
        assert response.headers["access-control-allow-origin"] == "http://localhost:3000"
        assert chunks(response.text)[-1]["type"] == "finish"
        page = httpx.get(url, trust_env=False)
        assert page.headers["content-type"].startswith("text/html")
    assert "ANTHROPIC_API_KEY is not set: serving the demo model" in (tmp_path / "log").read_text()


def test_the_demo_has_no_store_if_the_variable_is_empty(tmp_path: Path) -> None:
    def status(cwd: Path, **env: str) -> int:
        cwd.mkdir()
        with serving(cwd=cwd, **env) as url:
            return httpx.get(f"{url}/api/chats", trust_env=False).status_code

    assert status(tmp_path / "default") == 200
    assert status(tmp_path / "empty", USECHAT_STORE="") == 404
    assert (tmp_path / "default" / "chats.db").exists()
    assert not (tmp_path / "empty" / "chats.db").exists()


def test_a_missing_key_is_logged_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text(
        "from usechat_server import Agent, create_app\n"
        "app = create_app(Agent('claude-sonnet-5-5'))\n"
    )
    with serving("main:app", cwd=tmp_path, HOME=str(tmp_path)):
        [line] = [
            line for line in (tmp_path / "log").read_text().splitlines() if "credentials" in line
        ]
    assert 'claude-sonnet-5-5: no credentials: set ANTHROPIC_API_KEY, or use Agent("demo")' in line


def test_reload_picks_up_a_change(tmp_path: Path) -> None:
    module = tmp_path / "edited.py"
    source = (
        "from starlette.applications import Starlette\n"
        "from starlette.responses import PlainTextResponse\n"
        "from starlette.routing import Route\n"
        "async def page(request):\n"
        "    return PlainTextResponse('before')\n"
        "def make():\n"
        "    return Starlette(routes=[Route('/', page)])\n"
    )
    module.write_text(source)
    with serving("edited:make", "--reload", cwd=tmp_path) as url:
        assert httpx.get(url, trust_env=False).text == "before"
        deadline = time.monotonic() + DEADLINE
        text = "before"
        while text == "before":
            assert time.monotonic() < deadline
            # Written again and again: the watcher may not have been ready for the first.
            module.write_text(source.replace("before", "after"))
            time.sleep(0.1)
            try:
                text = httpx.get(url, trust_env=False).text
            except httpx.TransportError:
                continue
        assert text == "after"
