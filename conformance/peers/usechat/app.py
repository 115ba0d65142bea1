"""usechat-server, as its README writes it, with the tools of the suite."""

import os

from tests.server.conformance.backend import conformance_app

app = conformance_app(os.environ["ANTHROPIC_BASE_URL"])
