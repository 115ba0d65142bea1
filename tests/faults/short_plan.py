"""What happens in the fault test of every test run: each kind of response, and of each kind of
fault the one that costs most when it is not survived."""

from __future__ import annotations

from tests.faults.plan import Database, Fault, Moment, Question, Round, Tab

__all__ = ["SHORT_PLAN"]

_V7, _V6, _V5 = "7.0.173", "6.0.324", "5.0.92"
_LATER = Moment("text-delta", 5)

#: A process is killed and Redis emptied when a tool is about to run; the other one is told to stop
#: when the user was asked for an approval.
_AGENT_ON_SQLITE = Round(
    (
        Question("text", (), 0, 30, (Tab(_V7), Tab(_V5, opens=_LATER))),
        Question("side-effect", ("charge", "look"), 10, 15, (Tab(_V7), Tab(_V6, opens=_LATER))),
        Question("client-tool", ("choose",), 10, 15, (Tab(_V5),), answer_seconds=0.5),
        Question("approval", ("refund",), 10, 15, (Tab(_V6), Tab(_V7, opens=_LATER))),
    ),
    (
        Fault("kill and empty redis", 1, Moment("tool-input-available"), True, 0.0),
        Fault("drain", 3, Moment("finish"), True, 0.0),
    ),
)
#: The process of a handler is killed while it writes.
_HANDLER = Round(
    (
        Question("killed", (), 0, 20, (Tab(_V7),)),
        Question("read-elsewhere", (), 0, 20, (Tab(_V5), Tab(_V6, opens=_LATER))),
    ),
    (Fault("kill", 0, Moment("text-delta", 8), True, 0.0),),
    app="handler",
)
#: A process is killed when the client's output was asked for, and the database is restarted while
#: an approved tool runs.
_AGENT_ON_POSTGRESQL = Round(
    (
        Question("text", (), 0, 30, (Tab(_V6), Tab(_V7, opens=_LATER))),
        Question("side-effect", ("charge",), 10, 15, (Tab(_V5),)),
        Question("client-tool", ("look", "choose"), 10, 15, (Tab(_V7),), answer_seconds=0.5),
        Question("approval", ("charge", "refund"), 10, 15, (Tab(_V7),)),
    ),
    (
        Fault("kill", 2, Moment("finish"), True, 0.0),
        Fault("restart database", 3, Moment("tool-output-available", 2), True, 0.0),
    ),
)

SHORT_PLAN: dict[Database, tuple[Round, ...]] = {
    "sqlite": (_AGENT_ON_SQLITE, _HANDLER),
    "postgresql": (_AGENT_ON_POSTGRESQL,),
}
