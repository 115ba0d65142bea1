"""A valid continuation, changed in one place: whatever it is, nothing runs but what a person
allowed."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.approval_client import LOCATE, ChatClient
from tests.server.approvals.conftest import Desk

PAYMENT = {"to": "Ann", "amount": 2, "note": "rent"}
#: Everything that one of the changed bodies may run.
ALLOWED = ("send", PAYMENT)

#: What may stand anywhere: words of the protocol first.
VALUES: st.SearchStrategy[Any] = (
    st.sampled_from(
        [
            *("approval-responded", "approval-requested", "input-available", "output-available"),
            *("tool-send", "tool-wipe", "tool-read", "tool-locate", "dynamic-tool", "step-start"),
            *("send", "wipe", "assistant", "user", "system", "regenerate-message", "Eve", ""),
            *(True, False, None, 0, 1, 2.5, {}, []),
            {"approved": True},
        ]
    )
    | st.text(max_size=5)
    | st.integers()
)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The path of everything in a JSON value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from places(item, (*path, key))


def at(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        body = body[key]
    return body


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    """The body with one thing in it replaced, taken out, put in, doubled or swapped."""
    body = copy.deepcopy(body)
    *path, key = draw(st.sampled_from(sorted(places(body), key=repr)))
    holder = at(body, tuple(path))
    match draw(st.sampled_from(["replace", "take out", "put in", "double", "swap"])):
        case "replace":
            holder[key] = draw(VALUES)
        case "take out":
            del holder[key]
        case "put in":
            if isinstance(holder, list):
                holder.insert(key, draw(VALUES))
            else:
                names = ["providerExecuted", "output", "rawInput", "dynamic", "toolName", "state"]
                holder[draw(st.sampled_from(names))] = draw(VALUES)
        case "double" if isinstance(holder, list):
            twin = copy.deepcopy(holder[key])
            inside = list(places(twin))
            if inside:
                *path, name = draw(st.sampled_from(inside))
                at(twin, tuple(path))[name] = draw(VALUES)
            holder.insert(draw(st.integers(0, len(holder))), twin)
        case _:
            other = draw(st.sampled_from(sorted(places(body), key=repr)))
            taken = at(body, other)
            if not isinstance(taken, (dict, list)):
                holder[key] = taken
    return body


def answered(desk: Desk) -> ChatClient:
    """A page with a payment that was allowed, a file whose deletion was not, and more."""
    page = desk.open_page()
    page.send(("read", {"path": "/a"}))
    page.send(
        ("send", PAYMENT), ("wipe", {"path": "/b"}), ("read", {"path": "/c"}), (LOCATE.name, {})
    )
    page.decide("send", True)
    page.decide("wipe", False)
    page.add_output(LOCATE.name, "here")
    return page


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_one_change_runs_nothing_else(either: Desk, data: st.DataObject) -> None:
    either.ran.clear()
    page = answered(either)
    body = data.draw(changed(page.continuation()))
    response = page.post(body)
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
    assert either.ran in ([], [ALLOWED])
    # And whatever came of it, no second time.
    again = page.post(page.continuation())
    assert again.status_code == 200 or 400 <= again.status_code < 500
    assert either.ran in ([], [ALLOWED])
