"""All scenarios."""

from __future__ import annotations

from collections.abc import Sequence

from tests.clients.scenario import Scenario
from tests.clients.scenarios.approvals import APPROVALS
from tests.clients.scenarios.control import CONTROL
from tests.clients.scenarios.faults import FAULTS
from tests.clients.scenarios.front_ends import FRONT_ENDS
from tests.clients.scenarios.leaving import LEAVING
from tests.clients.scenarios.loop import LOOP
from tests.clients.scenarios.resuming import RESUMING
from tests.clients.scenarios.text import TEXT
from tests.clients.scenarios.tools import TOOLS

__all__ = ["SCENARIOS"]

SCENARIOS: Sequence[Scenario] = [
    *TEXT,
    *TOOLS,
    *LOOP,
    *APPROVALS,
    *FAULTS,
    *CONTROL,
    *RESUMING,
    *LEAVING,
    *FRONT_ENDS,
]
