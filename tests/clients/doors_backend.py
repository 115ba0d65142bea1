"""The server under test for other clients than useChat: apps with doors, each below a path."""

from __future__ import annotations

import atexit
import shutil
import tempfile

from pydantic import BaseModel, RootModel
from starlette.applications import Starlette
from starlette.routing import Mount
from usechat_server import Agent, Completion, Object, Settings, Text, create_app, tool

from tests.clients.moments import LONG, moments_route

__all__ = ["app"]

MODEL = "claude-sonnet-5-5"
STORE = tempfile.mkdtemp(prefix="usechat-doors-")
atexit.register(shutil.rmtree, STORE, ignore_errors=True)


class Recipe(BaseModel):
    name: str
    steps: list[str]


class City(BaseModel):
    city: str


Cities = RootModel[list[City]]


@tool
def forecast(city: str) -> str:
    """The forecast for a city."""
    return "21 degrees"


doors = create_app(
    Agent(MODEL, tools=[forecast]),
    store=f"sqlite:///{STORE}/chats.db",
    settings=Settings(resume=LONG),
    doors=[Text(), Completion()],
)
app = Starlette(
    routes=[
        moments_route(),
        Mount("/doors", doors),
        Mount(
            "/recipes", create_app(Agent(MODEL, tools=[forecast], output=Recipe), doors=[Object()])
        ),
        Mount("/cities", create_app(Agent(MODEL, output=Cities), doors=[Object()])),
    ],
    lifespan=doors.lifespan,
)
