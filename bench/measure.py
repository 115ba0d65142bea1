"""Measure a server once. `launch.py` runs this in a process of its own:

    python measure.py '{"measurement": "burst", "url": …, "provider": …, "pids": …, …}'

Prints a JSON object. The measurements are coroutine functions of `measure_streams` and
`measure_turns`; the other keys are their arguments.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import measure_streams
import measure_turns
import uvloop
from load_client import LoadClient
from stream_spec import StreamSpec
from values import Values


async def warm_up(client: LoadClient, pids: list[int]) -> Values:
    """Request a few streams of every kind, so that code is loaded and pools are filled."""
    connections = [await client.connect() for _ in range(10)]
    text, tool_call = StreamSpec(deltas=200), StreamSpec(kind="string", deltas=100)
    for spec in [text] * 4 + [tool_call, StreamSpec(initial_deltas=1)]:
        for connection in connections:
            connection.send(client.chat_request(spec))
        complete = await asyncio.wait_for(
            asyncio.gather(*(connection.end for connection in connections)), 60
        )
        if not all(complete) or not all(connection.deltas for connection in connections):
            response = b"".join(connections[0].data)[:500]
            raise SystemExit(f"expected complete responses with deltas, got {response!r}")
    return {}


_MEASUREMENTS: dict[str, Callable[..., Awaitable[Values]]] = {
    "warm_up": warm_up,
    **{name: getattr(measure_streams, name) for name in measure_streams.__all__},
    **{name: getattr(measure_turns, name) for name in measure_turns.__all__},
}


async def main() -> None:
    task: dict[str, Any] = json.loads(sys.argv[1])
    measurement = _MEASUREMENTS[task.pop("measurement")]
    client = LoadClient(task.pop("url"), task.pop("provider"), task.pop("second_url", None))
    print(json.dumps(await measurement(client, **task)))


if __name__ == "__main__":
    uvloop.run(main())
