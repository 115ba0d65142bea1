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
    """A directory as the build writes it, next to a file that must not be served."""
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text('<title>the chat</title><meta name="usechat" content="{}" />')
    (page / "assets" / "index-abc.js").write_text("run()")
    (page / "assets" / "index-abc.js.br").write_bytes(b"in brotli")
    (page / "assets" / "index-abc.js.gz").write_bytes(b"in gzip")
    (tmp_path / "secret").write_text("secret")
    return page


def client_of(page: Path, config: PageConfig | None = None) -> TestClient:
    config = config or PageConfig(stored=False, max_body_bytes=1000)
    client = TestClient(Starlette(routes=page_routes(config, page)))
    del client.headers["accept-encoding"]
    return client


def test_the_page_is_revalidated_and_its_assets_are_cached(build: Path) -> None:
    index = client_of(build).get("/")
    script = client_of(build).get("/assets/index-abc.js")

    assert index.text.startswith("<title>the chat</title>")
    assert index.headers["content-type"].startswith("text/html")
    assert index.headers["cache-control"] == "no-cache"
    assert script.text == "run()"
    assert "javascript" in script.headers["content-type"]
    assert "immutable" in script.headers["cache-control"]


def test_the_page_contains_its_configuration(build: Path) -> None:
    page = client_of(build, PageConfig(stored=True, max_body_bytes=5)).get("/").text
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
def test_assets_have_the_smallest_accepted_encoding(
    build: Path, accepted: str, coding: str | None
) -> None:
    headers = {"accept-encoding": accepted}
    with client_of(build).stream("GET", "/assets/index-abc.js", headers=headers) as script:
        raw = b"".join(script.iter_raw())

    expected = {"br": b"in brotli", "gzip": b"in gzip", None: b"run()"}
    assert raw == expected[coding]
    assert script.headers.get("content-encoding") == coding
    assert script.headers["vary"] == "accept-encoding"
    assert "javascript" in script.headers["content-type"]


def test_the_policy_allows_nothing_from_other_hosts(build: Path) -> None:
    for path in ("/", "/assets/index-abc.js", "/assets/none.js"):
        headers = client_of(build).get(path).headers
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
    assert client_of(build).get(path).status_code == 404


def test_a_missing_build_is_explained(tmp_path: Path) -> None:
    response = client_of(tmp_path / "nothing").get("/")

    assert response.status_code == 503
    assert "make run" in response.text
    assert client_of(tmp_path / "nothing").get("/assets/index.js").status_code == 404
