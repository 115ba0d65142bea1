"""A picture that needs no painter."""

from __future__ import annotations

import base64

from usechat_server.providers.demo.script_events import Show

__all__ = ["lighthouse"]

_SVG = """\
<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 480 320" width="480" height="320">
<rect width="480" height="320" fill="#16324a"/>
<circle cx="400" cy="60" r="26" fill="#f6e9c4"/>
<path d="M236 92 0 20v120z" fill="#f6e9c4" opacity=".25"/>
<path d="M212 300l12-196h32l12 196z" fill="#f4f1ea"/>
<path d="M218.500 194h43l2 34h-47zM214.500 262h51l2.300 38h-55.600z" fill="#c9432f"/>
<path d="M220 104h40v-8h-40z" fill="#c9432f"/>
<path d="M228 96V76h24v20z" fill="#ffd76a"/>
<path d="M222 76l18-18 18 18z" fill="#c9432f"/>
<path d="M0 284q60-18 120 0t120 0 120 0 120 0v36H0z" fill="#2c6e8f"/>
<path d="M0 300q60-14 120 0t120 0 120 0 120 0v20H0z" fill="#1f5573"/>
</svg>"""


def lighthouse() -> Show:
    """A lighthouse at night, as an SVG."""
    content = base64.b64encode(_SVG.encode()).decode()
    return Show("image/svg+xml", f"data:image/svg+xml;base64,{content}")
