"""The routes of the bundled page."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from usechat_server.http.routes.page import PageConfig, page_routes


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as the build leaves it, and a file beside it that is nobody's business."""
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text('<title>the chat</title><meta name="usechat" content="{}" />')
    (page / "assets" / "index-abc.js").write_text("run()")
    (page / "assets" / "index-abc.js.br").write_bytes(b"in brotli")
    (page / "assets" / "index-abc.js.gz").write_bytes(b"in gzip")
    (tmp_path / "secret").write_text("secret")
    return page


def client(page: Path, config: PageConfig | None = None) -> TestClient:
    config = config or PageConfig(stored=False, max_body_bytes=1000)
    made = TestClient(Starlette(routes=page_routes(config, page)))
    del made.headers["accept-encoding"]
    return made


def test_the_page_is_asked_for_anew_and_its_assets_are_kept(build: Path) -> None:
    index = client(build).get("/")
    script = client(build).get("/assets/index-abc.js")

    assert index.text.startswith("<title>the chat</title>")
    assert index.headers["content-type"].startswith("text/html")
    assert index.headers["cache-control"] == "no-cache"
    assert script.text == "run()"
    assert "javascript" in script.headers["content-type"]
    assert "immutable" in script.headers["cache-control"]


def test_the_page_knows_of_its_server_before_it_asks(build: Path) -> None:
    page = client(build, PageConfig(stored=True, max_body_bytes=5)).get("/").text
    [config] = re.findall(r'<meta name="usechat" content="(.*)" />', page)

    assert json.loads(unescape(config)) == {"stored": True, "maxBodyBytes": 5}


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip;q=1.0, br;q=0", "gzip"),
        ("br; q=0.000, gzip; q=0.5", "gzip"),
        ("identity", None),
        ("", None),
    ],
)
def test_assets_come_as_small_as_the_browser_can_read_them(
    build: Path, accepted: str, coding: str | None
) -> None:
    headers = {"accept-encoding": accepted}
    with client(build).stream("GET", "/assets/index-abc.js", headers=headers) as script:
        raw = b"".join(script.iter_raw())

    whole = {"br": b"in brotli", "gzip": b"in gzip", None: b"run()"}
    assert raw == whole[coding]
    assert script.headers.get("content-encoding") == coding
    assert script.headers["vary"] == "accept-encoding"
    assert "javascript" in script.headers["content-type"]


def test_nothing_from_elsewhere_may_run_or_load(build: Path) -> None:
    for path in ("/", "/assets/index-abc.js", "/assets/none.js"):
        headers = client(build).get(path).headers
        policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
        assert policy["default-src"] == "'none'"
        assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "/assets/",
        "/assets/none.js",
        "/assets/index-abc.js.gz",
        "/assets/..%2Findex.html",
        "/assets/%2E%2E",
        "/secret",
    ],
)
def test_only_the_build_is_served(build: Path, path: str) -> None:
    assert client(build).get(path).status_code == 404


def test_a_page_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    answer = client(tmp_path / "nothing").get("/")

    assert answer.status_code == 503
    assert "make run" in answer.text
    assert client(tmp_path / "nothing").get("/assets/index.js").status_code == 404
