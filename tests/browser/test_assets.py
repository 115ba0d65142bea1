"""What the page weighs, and what it needs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Response, expect

from tests.browser.conftest import PAGE
from tests.harness.serving import Served

ROOT = Path(__file__).parents[2]
#: Bytes, compressed by gzip, before one can write. Half of it is React, a third the AI SDK.
FIRST_LOAD = 145_000
#: What comes while the page waits for a question: what draws Markdown.
AFTER = 62_000


def test_the_first_load_is_small_and_the_rest_comes_when_it_is_needed(
    browser: Browser, server: Served
) -> None:
    sizes: dict[str, int] = {}

    def note(response: Response) -> None:
        name = response.url.removeprefix(server.url)
        if response.headers.get("content-encoding") in ("gzip", "br"):
            sizes[name] = (PAGE.parent / f"{name[1:]}.gz").stat().st_size
        else:
            sizes[name] = len(response.body())

    with browser.new_context() as context:
        page = context.new_page()
        page.on("response", note)
        # What is fetched when the page is idle comes later.
        page.add_init_script("delete window.requestIdleCallback; window.later = []")
        page.add_init_script(
            "const start = setTimeout; window.setTimeout = (...all) => "
            "all[1] === undefined ? (window.later.push(all[0]), 0) : start(...all)"
        )
        page.goto(server.url)
        expect(page.get_by_role("textbox", name="Message", exact=True)).to_be_visible()
        page.wait_for_load_state("networkidle")
        first = dict(sizes)
        with page.expect_response(re.compile("/Markdown-")) as markdown:
            page.evaluate("window.later.forEach(work => work())")
        markdown.value.finished()

    print(f"first load: {sum(first.values())} bytes: {first}")
    assert "/" in first
    assert sum(first.values()) < FIRST_LOAD
    later = {name: size for name, size in sizes.items() if name not in first}
    assert [re.sub(r"-.*", "", Path(name).name) for name in later] == ["Markdown"]
    assert sum(later.values()) < AFTER


def test_nothing_is_asked_of_another_host() -> None:
    """Fonts, scripts and styles are the page's own."""
    for file in PAGE.parent.rglob("*.css"):
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", file.read_text()), file.name
    assert "http" not in re.sub(r'xmlns="[^"]*"', "", PAGE.read_text())


@pytest.mark.timeout(300)
def test_an_installed_wheel_has_the_page(tmp_path: Path) -> None:
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "wheel", "--no-deps", "-w", tmp_path, ROOT], check=True)
    [wheel] = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    built = {f"usechat_server/page/{file.relative_to(PAGE.parent)}" for file in assets()}
    assert built <= set(names)
    assert "usechat_server/page/index.html" in names

    # Served from what was installed, with no Node in reach.
    installed = tmp_path / "installed"
    subprocess.run([*pip, "install", "--no-deps", "--target", installed, wheel], check=True)
    code = (
        "from starlette.testclient import TestClient\n"
        "from usechat_server import Settings, create_app\n"
        "from usechat_server.demo import default_agent\n"
        "app = create_app(default_agent(), settings=Settings(page=True))\n"
        "import re, json, usechat_server\n"
        "client = TestClient(app, base_url='http://localhost')\n"
        "page = client.get('/').text\n"
        "assets = re.findall(r'\\./(assets/[^\"]+)', page)\n"
        "print(json.dumps([usechat_server.__file__, *(client.get(a).status_code for a in assets)]))"
    )
    env = {"PYTHONPATH": str(installed), "PATH": ""}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, cwd=tmp_path, capture_output=True, check=True
    )
    where, *statuses = json.loads(done.stdout)
    assert Path(where).is_relative_to(installed)
    assert statuses == [200, 200, 200]


def assets() -> list[Path]:
    return [file for file in (PAGE.parent / "assets").iterdir() if file.is_file()]
