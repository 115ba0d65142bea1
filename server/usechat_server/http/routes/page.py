"""The bundled chat page, as `make run` or the wheel built it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from html import escape
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

__all__ = ["PageConfig", "page_routes"]

_PAGE = Path(__file__).parents[2] / "page"

#: For documents and what they load. The page needs nothing from elsewhere, and a model's answer
#: cannot make it fetch anything (an image, say) that would tell another host what was said.
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
#: The name of an asset holds a hash of its content, so that it never changes.
_FOR_EVER = {"cache-control": "public, max-age=31536000, immutable", "vary": "accept-encoding"}

#: The codings in which the build made each asset, the smallest first, and their file suffixes.
_CODINGS = {"br": ".br", "gzip": ".gz"}

#: What the build left for the server to fill.
_EMPTY_CONFIG = '<meta name="usechat" content="{}" />'

_NOT_BUILT = """\
<!doctype html>
<html lang="en">
<title>usechat-server: the page is not built</title>
<h1>The page is not built</h1>
<p>Run <code>make run</code> in the project's folder, which builds and serves it.
The chat itself answers at <code>POST api/chat</code>.</p>
</html>
"""


@dataclass(frozen=True, slots=True)
class PageConfig:
    """What the page has to know of its server before it asks anything."""

    #: whether there are stored chats to list
    stored: bool
    #: bytes that a request may have, files included
    max_body_bytes: int


def page_routes(config: PageConfig, directory: Path = _PAGE) -> list[BaseRoute]:
    """The page at `/` and its assets below `/assets`, from the folder that holds the build."""
    told = json.dumps({"stored": config.stored, "maxBodyBytes": config.max_body_bytes})
    filled = f'<meta name="usechat" content="{escape(told)}" />'

    def index(request: Request) -> Response:
        file = directory / "index.html"
        if not file.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503, headers=_HEADERS)
        page = file.read_text(encoding="utf-8").replace(_EMPTY_CONFIG, filled)
        # Asked for anew each time: it names the assets of the newest build.
        return HTMLResponse(page, headers={**_HEADERS, "cache-control": "no-cache"})

    def asset(request: Request) -> Response:
        wanted = request.path_params["name"]
        # Only a name that is there, never a path made of what was asked for.
        there = {file.name: file for file in (directory / "assets").glob("*")}
        if wanted not in there or wanted.endswith(tuple(_CODINGS.values())):
            return PlainTextResponse("There is no such file.", status_code=404, headers=_HEADERS)
        headers = {**_HEADERS, **_FOR_EVER}
        accepted = _accepted(request.headers.get("accept-encoding", ""))
        for coding, suffix in _CODINGS.items():
            if coding in accepted and (made := there.get(wanted + suffix)):
                media_type = FileResponse(there[wanted]).media_type
                coded = {**headers, "content-encoding": coding}
                return FileResponse(made, headers=coded, media_type=media_type)
        return FileResponse(there[wanted], headers=headers)

    return [Route("/", index), Route("/assets/{name}", asset)]


def _accepted(header: str) -> set[str]:
    """The codings that an `accept-encoding` header names, but those it refuses (`;q=0`)."""
    offers = (offer.replace(" ", "").partition(";") for offer in header.lower().split(","))
    return {coding for coding, _, weight in offers if not re.fullmatch(r"q=0(\.0*)?", weight)}
