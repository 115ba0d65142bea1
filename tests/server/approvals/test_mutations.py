"""A valid continuation that is changed in any one place runs nothing that the user did not
approve."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.harness.approval_client import LOCATE, ChatClient
from tests.server.approvals.support import ApprovalApp

PAYMENT = {"to": "Ann", "amount": 2, "note": "rent"}
#: The only call that a changed body may run.
ALLOWED = ("send", PAYMENT)

#: Values to insert anywhere, mostly words of the protocol.
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


def paths_in(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path of every value in a JSON value."""
    items: Any = ()
    if isinstance(value, dict):
        items = value.items()
    elif isinstance(value, list):
        items = enumerate(value)
    for key, item in items:
        yield (*path, key)
        yield from paths_in(item, (*path, key))


def value_at(body: Any, path: tuple[Any, ...]) -> Any:
    for key in path:
        body = body[key]
    return body


@st.composite
def changed(draw: st.DrawFn, body: Any) -> Any:
    """Return the body with one value in it replaced, removed, inserted, doubled or swapped."""
    body = copy.deepcopy(body)
    *path, key = draw(st.sampled_from(sorted(paths_in(body), key=repr)))
    holder = value_at(body, tuple(path))
    match draw(st.sampled_from(["replace", "remove", "insert", "double", "swap"])):
        case "replace":
            holder[key] = draw(VALUES)
        case "remove":
            del holder[key]
        case "insert":
            if isinstance(holder, list):
                holder.insert(key, draw(VALUES))
            else:
                names = ["providerExecuted", "output", "rawInput", "dynamic", "toolName", "state"]
                holder[draw(st.sampled_from(names))] = draw(VALUES)
        case "double" if isinstance(holder, list):
            twin = copy.deepcopy(holder[key])
            inside = list(paths_in(twin))
            if inside:
                *path, name = draw(st.sampled_from(inside))
                value_at(twin, tuple(path))[name] = draw(VALUES)
            holder.insert(draw(st.integers(0, len(holder))), twin)
        case _:
            other = draw(st.sampled_from(sorted(paths_in(body), key=repr)))
            value = value_at(body, other)
            if not isinstance(value, (dict, list)):
                holder[key] = value
    return body


def client_with_decisions(app: ApprovalApp) -> ChatClient:
    """Return a client that approved a payment, denied a deletion and ran its own tool."""
    client = app.new_client()
    client.send(("read", {"path": "/a"}))
    client.send(
        ("send", PAYMENT), ("wipe", {"path": "/b"}), ("read", {"path": "/c"}), (LOCATE.name, {})
    )
    client.decide("send", True)
    client.decide("wipe", False)
    client.add_output(LOCATE.name, "here")
    return client


@settings(
    max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(data=st.data())
def test_a_change_in_one_place_runs_nothing_that_was_not_approved(
    app: ApprovalApp, data: st.DataObject
) -> None:
    app.executed.clear()
    client = client_with_decisions(app)
    body = data.draw(changed(client.continuation()))
    response = client.post(body)
    assert response.status_code == 200 or 400 <= response.status_code < 500, response.text
    assert app.executed in ([], [ALLOWED])
    # Whatever the response was, the call does not run twice.
    again = client.post(client.continuation())
    assert again.status_code == 200 or 400 <= again.status_code < 500
    assert app.executed in ([], [ALLOWED])
