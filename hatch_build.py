"""What `pip install` and `python -m build` run: it puts the built chat page into the package."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageBuildHook(BuildHookInterface):  # type: ignore[type-arg,unused-ignore]
    """Builds the page with npm, from a checkout. A source distribution brings it built, so that
    whoever installs that needs no Node."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        # An editable install is for people who run `make page` themselves.
        if version == "editable" or (root / "PKG-INFO").exists():
            return
        npm = shutil.which("npm")
        if npm is None:
            # The page is a demo: a server without it is a whole server.
            self.app.display_warning("npm was not found: the chat page is as it was built before")
            return
        project = root / "web-demo"
        if not (project / "node_modules").is_dir():
            subprocess.run([npm, "ci"], cwd=project, check=True)  # noqa: S603
        subprocess.run([npm, "run", "build"], cwd=project, check=True)  # noqa: S603
