"""The demo's tools. None of them connects to anything."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from typing import Annotated, Any

from pydantic import Field

from usechat_server.tools import ClientTool, ToolContext, ToolError, tool

__all__ = ["BROWSER_TIME", "look_up", "roll_dice", "send_postcard", "weather"]

#: Seconds that a piece of work takes, so that users can watch it.
_WORK = 0.4

#: Runs in the bundled demo page, in web-demo/src/clientTools.ts.
BROWSER_TIME = ClientTool(
    name="browser_time",
    title="Time in the browser",
    description="Get the user's local date, time and time zone.",
    input_schema={
        "type": "object",
        "properties": {
            "clock": {"enum": ["24-hour", "12-hour"], "description": "How to format the time."},
        },
        "required": ["clock"],
        "additionalProperties": False,
    },
)


@tool(title="Dice", idempotent=True)
async def roll_dice(
    count: Annotated[int, Field(ge=1, le=12)], sides: Annotated[int, Field(ge=2, le=100)] = 6
) -> AsyncIterator[dict[str, Any]]:
    """Roll dice, one after another, and add them up.

    Args:
        count: number of dice
        sides: number of sides of each
    """
    rolls: list[int] = []
    for _ in range(count):
        await asyncio.sleep(_WORK)
        rolls.append(secrets.randbelow(sides) + 1)
        yield {"rolls": rolls, "sum": sum(rolls)}


_WEATHER = {
    "Lisbon": (2.0, {"sky": "sunny", "celsius": 21, "wind": "a breeze from the river"}),
    "Oslo": (3.5, {"sky": "snow", "celsius": -3, "wind": "none"}),
    "Kyoto": (2.5, {"sky": "mist", "celsius": 14, "wind": "light"}),
}


@tool(title="Weather", idempotent=True)
async def weather(city: str) -> dict[str, Any]:
    """Get the weather in a city. It is made up."""
    work, conditions = _WEATHER.get(city, (1.0, None))
    await asyncio.sleep(work * _WORK)
    if conditions is None:
        raise ToolError(f"There is no weather station in {city}.")
    return {"city": city, **conditions}


_LIBRARY = {
    "tea": [
        ("History of tea", "https://en.wikipedia.org/wiki/History_of_tea"),
        ("Tea in the United Kingdom", "https://en.wikipedia.org/wiki/Tea_in_the_United_Kingdom"),
        ("Camellia sinensis", "https://en.wikipedia.org/wiki/Camellia_sinensis"),
    ],
    "Lisbon": [
        ("Alfama", "https://en.wikipedia.org/wiki/Alfama"),
        ("Trams in Lisbon", "https://en.wikipedia.org/wiki/Trams_in_Lisbon"),
    ],
}


@tool(title="Library", idempotent=True)
async def look_up(query: str, context: ToolContext) -> list[dict[str, str]]:
    """Search a very small library, which covers tea and Lisbon.

    Args:
        query: search terms
    """
    matches = [
        page for word, pages in _LIBRARY.items() if word.lower() in query.lower() for page in pages
    ]
    if not matches:
        raise ToolError(f"The library has nothing on {query}.")
    for read in range(len(matches) + 1):
        done = read / len(matches)
        label = f"Read {read} of {len(matches)} pages"
        context.data("progress", {"label": label, "done": done}, id=context.tool_call_id)
        await asyncio.sleep(_WORK)
    return [{"title": title, "url": url} for title, url in matches]


@tool(title="Postcard", needs_approval=True)
async def send_postcard(to: str, text: str) -> dict[str, str]:
    """Send a postcard. This is a demo: nothing is really sent.

    Args:
        to: recipient
        text: message on the card
    """
    await asyncio.sleep(_WORK)
    return {"sent to": to, "stamp": "a lighthouse"}
