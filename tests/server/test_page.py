"""The routes of the bundled page."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from usechat_server.routes.page import page_routes


@pytest.fixture
def build(tmp_path: Path) -> Path:
    """A folder as the build leaves it, and a file beside it that is nobody's business."""
    page = tmp_path / "page"
    (page / "assets").mkdir(parents=True)
    (page / "index.html").write_text("<title>the chat</title>")
    (page / "assets" / "index-abc.js").write_text("run()")
    (tmp_path / "secret").write_text("secret")
    return page


def client(page: Path) -> TestClient:
    return TestClient(Starlette(routes=page_routes(page)))


def test_the_page_is_asked_for_anew_and_its_assets_are_kept(build: Path) -> None:
    index = client(build).get("/")
    script = client(build).get("/assets/index-abc.js")

    assert index.text == "<title>the chat</title>"
    assert index.headers["content-type"].startswith("text/html")
    assert index.headers["cache-control"] == "no-cache"
    assert script.text == "run()"
    assert "javascript" in script.headers["content-type"]
    assert "immutable" in script.headers["cache-control"]


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
    ["/assets/", "/assets/none.js", "/assets/..%2Findex.html", "/assets/%2E%2E", "/secret"],
)
def test_only_the_build_is_served(build: Path, path: str) -> None:
    assert client(build).get(path).status_code == 404


def test_a_page_that_was_not_built_says_how_to_build_it(tmp_path: Path) -> None:
    answer = client(tmp_path / "nothing").get("/")

    assert answer.status_code == 503
    assert "make run" in answer.text
    assert client(tmp_path / "nothing").get("/assets/index.js").status_code == 404
