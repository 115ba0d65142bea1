"""The bundled chat page, as `make run` or the wheel built it."""

from __future__ import annotations

from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Route

__all__ = ["page_routes"]

_PAGE = Path(__file__).parents[1] / "page"

#: For documents and what they load. The page needs nothing from elsewhere, and a model's answer
#: cannot make it fetch anything (an image, say) that would tell another host what was said.
_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

_NOT_BUILT = """\
<!doctype html>
<html lang="en">
<title>usechat-server: the page is not built</title>
<h1>The page is not built</h1>
<p>Run <code>make run</code> in the project's folder, which builds and serves it.
The chat itself answers at <code>POST api/chat</code>.</p>
</html>
"""


def page_routes(directory: Path = _PAGE) -> list[BaseRoute]:
    """The page at `/` and its assets below `/assets`, from the folder that holds the build."""

    def index(request: Request) -> Response:
        file = directory / "index.html"
        if not file.is_file():
            return HTMLResponse(_NOT_BUILT, status_code=503, headers=_HEADERS)
        # Asked for anew each time: it names the assets of the newest build.
        return FileResponse(file, headers={**_HEADERS, "cache-control": "no-cache"})

    def asset(request: Request) -> Response:
        wanted = request.path_params["name"]
        # Only a name that is there, never a path made of what was asked for.
        for file in (directory / "assets").glob("*"):
            if file.name == wanted:
                # The name holds a hash of the content, so that it never changes.
                cache = "public, max-age=31536000, immutable"
                return FileResponse(file, headers={**_HEADERS, "cache-control": cache})
        return PlainTextResponse("There is no such file.", status_code=404, headers=_HEADERS)

    return [Route("/", index), Route("/assets/{name}", asset)]
