"""Every snippet of the README and of the pages on Claude does what is response_text of it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import httpx
import pytest
from usechat_server import anthropic
from usechat_server.anthropic import AnthropicOptions
from usechat_server.openai import OpenAIChatOptions

from tests.harness.fake_openai import FakeOpenAI
from tests.harness.fake_provider import FakeProvider, Reply, message, text
from tests.harness.live import LiveServer
from tests.harness.serving import serve
from tests.harness.settings_table import settings_table

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = (
    "options",
    "anthropic",
    "openai",
    "trust",
    "resume",
    "storage",
    "tools",
    "responses",
    "hooks",
    "errors",
    "api",
    "clients",
)
OPTIONS = "\n".join((ROOT / "docs" / f"{page}.md").read_text() for page in PAGES)


def snippets(language: str) -> list[str]:
    pattern = rf"^```{language}\n(.*?)^```$"
    return re.findall(pattern, f"{README}\n{OPTIONS}", re.MULTILINE | re.DOTALL)


@pytest.fixture(name="provider", scope="module")
def fake_provider() -> Iterator[FakeProvider]:
    with FakeProvider() as provider:
        provider.on(lambda _: Reply(message(text("Hello", ", ", "world"))))
        yield provider


@pytest.fixture(name="openai", scope="module")
def fake_openai() -> Iterator[FakeOpenAI]:
    with FakeOpenAI() as provider:
        provider.on(lambda _: Reply(message(text("Hello", ", ", "world"))))
        yield provider


def environment(provider: FakeProvider) -> dict[str, str]:
    return {"ANTHROPIC_BASE_URL": provider.url, "ANTHROPIC_API_KEY": "any"}


def send_message(url: str) -> None:
    """Send a message to a chat, which responds with the provider's text."""
    parts = [{"type": "text", "text": "Hi"}]
    body = {"id": "c", "messages": [{"id": "u", "role": "user", "parts": parts}]}
    # The snippet on authentication needs it.
    headers = {"authorization": "Bearer s3cret"}
    response = httpx.post(url, json=body, headers=headers, timeout=20, trust_env=False)
    assert response.status_code == 200, response.text
    events = [line for line in response.text.splitlines() if line.startswith("data: ")]
    assert events[-1] == "data: [DONE]"
    assert '"finish"' in events[-2]
    response_text = "".join(re.findall(r'"text-delta".*?"delta":"(.*?)"', response.text))
    assert response_text == "Hello, world"


def test_the_first_snippet_is_served_as_the_page_says(
    provider: FakeProvider, tmp_path: Path
) -> None:
    (tmp_path / "main.py").write_text(snippets("python")[0])
    env = {**environment(provider), "PYTHONPATH": str(tmp_path)}
    assert "usechat-server serve main:app --port 8000 --reload" in README
    with serve("main:app", "usechat", env=env, cwd=tmp_path) as served:
        send_message(f"{served.url}/api/chat")


@pytest.mark.parametrize("snippet", snippets("python"))
def test_a_python_snippet_is_a_server_that_answers(
    snippet: str,
    provider: FakeProvider,
    openai: FakeOpenAI,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    url = f"{openai.url}/v1"
    environ = {**environment(provider), "OPENAI_BASE_URL": url, "OPENAI_API_KEY": "any"}
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    snippet = snippet.replace("http://localhost:11434/v1", url)
    snippet = snippet.replace("https://example.openai.azure.com", openai.url)
    (tmp_path / "snippet.py").write_text(snippet)
    # Type hints are looked up in the module.
    spec = spec_from_file_location("snippet", tmp_path / "snippet.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "snippet", module)
    spec.loader.exec_module(module)
    mounted = re.search(r'Mount\("(.*?)"', snippet)
    with LiveServer(module.app) as server:
        send_message(f"{server.url}{mounted[1] if mounted else ''}/api/chat")


def test_the_frontend_snippets_have_the_published_types(tmp_path: Path) -> None:
    npm = shutil.which("npx")
    modules = ROOT / "web-demo" / "node_modules"
    if npm is None or not modules.is_dir():
        pytest.skip("needs Node and the page's packages: run make test")
    (tmp_path / "node_modules").symlink_to(modules)
    files = []
    for index, snippet in enumerate(snippets("tsx")):
        files.append(tmp_path / f"snippet{index}.tsx")
        files[-1].write_text(snippet)
    options = ["--noEmit", "--strict", "--skipLibCheck", "--jsx", "react-jsx", "--target", "es2022"]
    options += ["--module", "esnext", "--moduleResolution", "bundler", "--types", ""]
    tsc = modules / ".bin" / "tsc"
    done = subprocess.run(
        [tsc, *options, *files], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert files
    assert done.returncode == 0, done.stdout


def test_the_commands_exist() -> None:
    targets = re.findall(r"^make (\w+)", README, re.MULTILINE)
    assert targets[:2] == ["run", "test"]
    for target in targets:
        done = subprocess.run(
            ["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_nginx_knows_the_proxy_lines(tmp_path: Path) -> None:
    nginx = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
    if nginx is None:
        pytest.skip("nginx is not installed")
    (snippet,) = snippets("nginx")
    config = tmp_path / "nginx.conf"
    config.write_text(
        f"pid {tmp_path}/pid; events {{}} http {{ access_log off; server {{ {snippet} }} }}"
    )
    done = subprocess.run(
        [nginx, "-t", "-c", config, "-p", tmp_path, "-e", "stderr"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_the_page_of_options_has_them_all() -> None:
    names = {field.name for each in (AnthropicOptions, OpenAIChatOptions) for field in fields(each)}
    names |= set(anthropic.__all__) - {"AnthropicModel", "AnthropicOptions", "AnthropicTool"}
    assert not {name for name in names if f"`{name}`" not in OPTIONS}


def test_the_table_of_settings_is_the_settings() -> None:
    assert settings_table() in README
