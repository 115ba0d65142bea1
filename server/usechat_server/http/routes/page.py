"""The bundled chat page, as `make page` or the wheel built it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from mimetypes import guess_type
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.routing import BaseRoute, Route

__all__ = ["PageConfig", "page_routes"]

_PAGE = Path(__file__).parents[2] / "page"

#: Of every response. The page loads nothing from other hosts, so a model's output cannot make it
#: send them anything (in the URL of an image, say).
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; font-src 'self'; "
        "img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
        "frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}
#: The name of an asset contains a hash of its content, so the file never changes.
_IMMUTABLE = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}

#: The content codings in which the build writes each asset, smallest first → the file suffix.
_SUFFIXES = {"br": ".br", "gzip": ".gz"}

#: What the server replaces in the built page.
_EMPTY_CONFIG = '<meta name="usechat" content="{}" />'

_NOT_BUILT = """\
<!doctype html>
<html lang="en">
<title>usechat-server: the page is not built</title>
<h1>The page is not built</h1>
<p>Run <code>make run</code> in the project's directory, which builds and serves it.
The chat API is at <code>POST api/chat</code>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class PageConfig:
    """What the page knows of its server before its first request."""

    #: whether the server stores chats
    stored: bool
    #: of a request, files included
    max_body_bytes: int


@dataclass(frozen=True, slots=True)
class _Asset:
    file: Path
    media_type: str
    #: content coding → the file in that coding, smallest first
    encoded: Mapping[str, Path]


def page_routes(config: PageConfig, directory: Path = _PAGE) -> list[BaseRoute]:
    """Return the routes of the page at `/` and of its assets below `/assets`.

    Args:
        config: What the page needs to know.
        directory: Holds the build. It is read once, here.
    """
    assets = _assets(directory / "assets")

    def asset_response(request: Request) -> Response:
        asset = assets.get(request.path_params["name"])
        if asset is None:
            raise HTTPException(404, "There is no such file.", headers=_HEADERS)
        headers = {**_HEADERS, **_IMMUTABLE}
        accepted = _accepted_codings(request.headers.get("accept-encoding", ""))
        for coding, file in asset.encoded.items():
            if coding in accepted:
                headers["content-encoding"] = coding
                return FileResponse(file, headers=headers, media_type=asset.media_type)
        return FileResponse(asset.file, headers=headers, media_type=asset.media_type)

    return [
        Route("/", _index(config, directory / "index.html"), methods=["GET"]),
        Route("/assets/{name}", asset_response),
    ]


def _index(config: PageConfig, file: Path) -> Response:
    if not file.is_file():
        return HTMLResponse(_NOT_BUILT, status_code=503, headers=_HEADERS)
    text = json.dumps({"stored": config.stored, "maxBodyBytes": config.max_body_bytes})
    meta = f'<meta name="usechat" content="{escape(text)}" />'
    html = file.read_text(encoding="utf-8").replace(_EMPTY_CONFIG, meta)
    # It names the assets of the newest build, so browsers have to check it each time.
    return HTMLResponse(html, headers={**_HEADERS, "cache-control": "no-cache"})


def _assets(directory: Path) -> dict[str, _Asset]:
    """Return the assets by name. Only these names are served, whatever path a request has."""
    files = {file.name: file for file in directory.glob("*")}
    suffixes = tuple(_SUFFIXES.values())
    return {
        name: _Asset(
            file,
            guess_type(name)[0] or "application/octet-stream",
            {c: files[name + suffix] for c, suffix in _SUFFIXES.items() if name + suffix in files},
        )
        for name, file in files.items()
        if not name.endswith(suffixes)
    }


def _accepted_codings(header: str) -> set[str]:
    """Return the codings of an `accept-encoding` header, without those it refuses (`;q=0`)."""
    offers = (offer.replace(" ", "").partition(";") for offer in header.lower().split(","))
    return {coding for coding, _, weight in offers if not re.fullmatch(r"q=0(\.0*)?", weight)}
