"""What a check found."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from usechat_server.conformance.rules import Severity

__all__ = ["Problem", "Result", "Status"]

Status = Literal["passed", "failed", "not judged"]


@dataclass(frozen=True)
class Problem:
    """A rule that a backend broke.

    Attributes:
        rule: The id of the rule.
        severity: `error` for what a backend MUST do, `warning` for what it SHOULD do.
        text: What is wrong, in one line.
        place: Where, such as "request 2, event 5".
        throws: The releases of `ai` whose client throws, in words; "" if none does.
    """

    rule: str
    severity: Severity
    text: str
    place: str
    throws: str = ""

    def __str__(self) -> str:
        throws = f"; throws: {self.throws}" if self.throws else ""
        return f"{self.severity}: {self.place}: {self.text} [{self.rule}{throws}]"


@dataclass(frozen=True)
class Result:
    """The result of a scenario, or of a recorded stream.

    Attributes:
        name: The scenario, or the file.
        problems: The broken rules, in the order in which they were found.
        unjudged: Why the scenario could not be judged, or not to its end; "" if it was.
    """

    name: str
    problems: Sequence[Problem] = ()
    unjudged: str = ""

    @property
    def status(self) -> Status:
        """`failed` if an error was found, else `not judged` if something is missing."""
        if any(problem.severity == "error" for problem in self.problems):
            return "failed"
        return "not judged" if self.unjudged else "passed"
