"""The input schema of a function, and the validation of inputs."""

from __future__ import annotations

import dataclasses
import datetime
import enum
from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, Literal, Optional

import pytest
from pydantic import BaseModel, Field
from typing_extensions import Doc, TypeAliasType, TypedDict
from usechat_server import ClientTool, ToolContext, tool
from usechat_server.tools import InvalidInput

from tests.harness.tool_runner import tool_outputs


class Unit(enum.Enum):
    CELSIUS = "c"
    FAHRENHEIT = "f"


class Place(BaseModel):
    """Somewhere."""

    name: str
    near: list[Place] = []


class Window(TypedDict):
    title: str


@dataclasses.dataclass
class Size:
    width: int


class Dog(BaseModel):
    kind: Literal["dog"]
    barks: bool


class Cat(BaseModel):
    kind: Literal["cat"]


@tool
def forecast(  # noqa: PLR0917
    ctx: ToolContext,
    place: Place,
    day: datetime.date,
    pet: Annotated[Dog | Cat, Field(discriminator="kind")],
    window: Window | None = None,
    unit: Unit = Unit.CELSIUS,
    size: Size | int = 3,
    title: Annotated[str, Field(max_length=5, description="Of the page.")] = "Rain",
    hours: float = Field(default=1.5, gt=0),
    copy: bool = False,
    _hidden: list[str] = [],  # noqa: B006
) -> str:
    """The weather to come.

    For the next days only.

    Args:
        place (Place): Where, and what
            is near.
        title: Words of another author.
        copy: Whether to keep one.

    Returns:
        Words.
    """
    return f"{ctx.chat_id} {place} {day} {pet} {window} {unit} {size} {title} {hours} {copy}"


def test_the_schema_describes_the_parameters() -> None:
    assert forecast.name == "forecast"
    assert forecast.description == "The weather to come.\n\nFor the next days only."
    schema = forecast.input_schema
    assert schema["type"] == "object"
    assert schema["additionalProperties"] is False
    assert schema["required"] == ["place", "day", "pet"]
    assert list(schema["properties"]) == [
        *("place", "day", "pet", "window", "unit", "size", "title", "hours", "copy", "_hidden")
    ]
    properties = schema["properties"]
    assert properties["place"] == {
        "$ref": "#/$defs/Place",
        "description": "Where, and what\nis near.",
    }
    assert properties["title"]["description"] == "Of the page."
    assert properties["copy"] == {
        "type": "boolean",
        "default": False,
        "description": "Whether to keep one.",
    }
    assert properties["hours"] == {"type": "number", "default": 1.5, "exclusiveMinimum": 0}
    assert schema["$defs"]["Place"]["description"] == "Somewhere."
    assert _titles(schema) == []


def _titles(schema: Any) -> list[str]:
    """What pydantic calls things, which is in their names already."""
    if isinstance(schema, list):
        return [title for item in schema for title in _titles(item)]
    if not isinstance(schema, dict):
        return []
    own = [schema["title"]] if isinstance(schema.get("title"), str) else []
    return own + [title for item in schema.values() for title in _titles(item)]


def test_the_function_gets_arguments_of_its_hints() -> None:
    given = {
        "place": {"name": "Rome", "near": [{"name": "Ostia"}]},
        "day": "2026-02-28",
        "pet": {"kind": "cat"},
        "size": {"width": 2},
        "unit": "f",
        "hours": 2,
    }
    arguments = forecast.parse(given)
    assert arguments == {
        "place": Place(name="Rome", near=[Place(name="Ostia")]),
        "day": datetime.date(2026, 2, 28),
        "pet": Cat(kind="cat"),
        "window": None,
        "unit": Unit.FAHRENHEIT,
        "size": Size(2),
        "title": "Rain",
        "hours": 2.0,
        "copy": False,
        "_hidden": [],
    }
    # One call's default is not another's.
    arguments["_hidden"].append("x")
    assert forecast.parse(given)["_hidden"] == []


GOOD = {"place": {"name": "Rome"}, "day": "2026-02-28", "pet": {"kind": "cat"}}


@pytest.mark.parametrize(
    ("given", "errors"),
    [
        ({}, ["place: this is required.", "day: this is required."]),
        ({**GOOD, "hour": 1}, ["hour: there is no such parameter."]),
        ({**GOOD, "parameter_0": 1}, ["parameter_0: there is no such parameter."]),
        ({**GOOD, "hours": "2"}, ['hours: Input should be a valid number, not "2".']),
        ({**GOOD, "copy": 1}, ["copy: Input should be a valid boolean, not 1."]),
        ({**GOOD, "place": {"name": "a", "near": [{}]}}, ["place.near.0.name: this is required."]),
        ({**GOOD, "pet": {"kind": "fox"}}, ["'dog', 'cat'", '{"kind":"fox"}']),
        ({**GOOD, "title": "x" * 5000}, ["title: String should have at most 5 characters"]),
        ({**GOOD, "day": "soon"}, ["day: Input should be a valid date"]),
        ({**GOOD, "ctx": {}}, ["ctx: there is no such parameter."]),
        ("Rome", ['input: Input should be an object, not "Rome".']),
        (None, ["input: Input should be an object, not null."]),
    ],
)
def test_a_bad_input_is_explained_to_the_model(given: Any, errors: list[str]) -> None:
    with pytest.raises(InvalidInput) as caught:
        forecast.parse(given)
    text = str(caught.value)
    for error in errors:
        assert error in text
    assert len(text) < 1000
    assert "pydantic" not in text


def test_parameters_are_described_in_any_usual_style() -> None:
    @tool
    def numpy(first: int) -> None:
        """Numbers.

        Parameters
        ----------
        first : int
            Of them.
        """

    @tool
    def sphinx(first: int) -> None:
        """Numbers.

        :param first: Of them.
        """

    for created in (numpy, sphinx):
        assert created.description == "Numbers."
        assert created.input_schema["properties"]["first"]["description"] == "Of them."

    @tool
    def plain(first: int) -> None:
        """Numbers.

        Note: as they are, 1:1.

            indented
        """

    assert plain.description == "Numbers.\n\nNote: as they are, 1:1.\n\n    indented"


def test_annotated_hints_describe_parameters_and_give_defaults() -> None:
    @tool
    def search(
        words: Annotated[list[str], "What to find.", Field(min_length=1)],
        sort: Annotated[str, Doc("The order.")],
        limit: Annotated[int, Field(default=10, description="At most."), "No."],
        pages: Annotated[list[int], Field(default_factory=lambda: [1])],
        place: Annotated[str | None, "Where."] = None,
    ) -> None:
        """Search.

        Args:
            words: Not this.
            limit: Not this.
            pages: Which pages.
        """

    properties = search.input_schema["properties"]
    assert {name: each["description"] for name, each in properties.items()} == {
        "words": "What to find.",
        "sort": "The order.",
        "limit": "At most.",
        "pages": "Which pages.",
        "place": "Where.",
    }
    assert search.input_schema["required"] == ["words", "sort"]
    assert properties["words"]["minItems"] == 1
    assert search.parse({"words": ["a"], "sort": "up"}) == {
        "words": ["a"],
        "sort": "up",
        "limit": 10,
        "pages": [1],
        "place": None,
    }


OptionalContext = TypeAliasType("OptionalContext", ToolContext | None)


@pytest.mark.parametrize(
    "hint",
    [
        ToolContext,
        ToolContext | None,
        Optional[ToolContext],  # noqa: UP045
        Annotated[ToolContext | None, "For tests."],
        OptionalContext,
    ],
)
async def test_a_context_may_be_optional(hint: Any) -> None:
    def where(city: str, ctx=None) -> str:  # type: ignore[no-untyped-def]
        return f"{city} {ctx and ctx.chat_id}"

    where.__annotations__["ctx"] = hint
    created = tool(where)
    assert list(created.input_schema["properties"]) == ["city"]
    assert await tool_outputs(created, city="Rome") == ["Rome chat-1"]
    assert created("Rome") == "Rome None"


def test_a_function_without_parameters_takes_an_empty_object() -> None:
    @tool
    async def now() -> str:
        return "now"

    assert now.input_schema == {"type": "object", "properties": {}, "additionalProperties": False}
    assert now.parse({}) == {}


def test_any_callable_can_be_a_tool() -> None:
    class WeatherStation:
        """A station."""

        def __init__(self, place: str) -> None:
            self.place = place

        async def __call__(self, unit: str) -> str:
            return unit + self.place

        def reset(self, hard: bool) -> None:
            """Starts anew."""

    station = WeatherStation("Rome")
    created = tool(station)
    assert (created.name, created.description) == ("weather_station", "A station.")
    assert list(created.input_schema["properties"]) == ["unit"]

    method = tool(station.reset, name="restart", title="Restart")
    assert (method.name, method.title, method.description) == ("restart", "Restart", "Starts anew.")
    assert list(method.input_schema["properties"]) == ["hard"]

    def add(a: int, b: int) -> int:
        return a + b

    # What is given already is nothing for the model.
    assert list(tool(partial(add, b=1)).input_schema["properties"]) == ["a"]
    assert tool(add)(1, 2) == 3


def no_hint(a) -> None:  # type: ignore[no-untyped-def]
    pass


def many(*args: int) -> None:
    pass


def named(**options: int) -> None:
    pass


def positional(a: int, /) -> None:
    pass


def unknown(a: Nowhere) -> None:  # type: ignore[name-defined] # noqa: F821
    pass


def shapeless(a: Callable[[], None]) -> None:
    pass


def typeless(a: FakeModule) -> None:
    pass


def contexts(a: list[ToolContext]) -> None:
    pass


def forbidden(__proto__: int) -> None:
    pass


def accented(größe: int) -> None:  # noqa: PLC2401
    pass


def blocking() -> Iterator[int]:
    yield 1


class FakeModule:
    pass


class Uninstantiated:
    def __call__(self) -> None:
        pass


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (no_hint, "a has no type hint"),
        (many, "parameter args must be passable by keyword"),
        (named, "parameter options must"),
        (positional, "parameter a must be passable by keyword"),
        (unknown, "Nowhere"),
        (shapeless, "JSON Schema"),
        (typeless, "FakeModule"),
        (contexts, "ToolContext"),
        (forbidden, "__proto__"),
        (accented, "größe"),
        (blocking, "async"),
        (Uninstantiated, "expected a function or a callable instance, got a class"),
        (forecast, "not already a tool"),
        (lambda: None, "'<lambda>'"),
        (3, "expected a callable"),
    ],
)
def test_what_cannot_be_a_tool_is_refused(function: Any, why: str) -> None:
    with pytest.raises((TypeError, ValueError)) as caught:
        tool(function)
    assert "cannot be a tool" in str(caught.value)
    assert why in str(caught.value)


@pytest.mark.parametrize("name", ["", "get weather", "a.b", "ö", "x" * 129])
def test_invalid_names_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match="invalid tool name"):
        ClientTool(name, "", {"type": "object"})
    with pytest.raises(ValueError, match="invalid tool name"):
        tool(name=name)(lambda: None)


@pytest.mark.parametrize(
    "options", [{"timeout": 0}, {"timeout": -1}, {"retries": -1}, {"concurrency": 0}]
)
def test_invalid_limits_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        tool(name="idle", **options)(lambda: None)
