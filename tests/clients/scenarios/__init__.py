"""Every conversation that each published client must get through."""

from __future__ import annotations

from collections.abc import Sequence

from clients.scenario import Scenario
from clients.scenarios.approvals import APPROVALS
from clients.scenarios.control import CONTROL
from clients.scenarios.faults import FAULTS
from clients.scenarios.loop import LOOP
from clients.scenarios.resuming import RESUMING
from clients.scenarios.text import TEXT
from clients.scenarios.tools import TOOLS

__all__ = ["SCENARIOS"]

SCENARIOS: Sequence[Scenario] = [
    *TEXT,
    *TOOLS,
    *LOOP,
    *APPROVALS,
    *FAULTS,
    *CONTROL,
    *RESUMING,
]
