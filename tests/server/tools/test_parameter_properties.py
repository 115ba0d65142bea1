"""For any type hint, the schema accepts exactly what validation accepts."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal, Union

from hypothesis import given, target
from hypothesis import strategies as st
from jsonschema.validators import Draft202012Validator
from pydantic import Field, create_model
from typing_extensions import TypedDict
from usechat_server import tool
from usechat_server.tools import InvalidInput
from usechat_server.tools.outputs import to_json

Color = enum.Enum("Color", {"RED": "red", "ONE": 1})

INTEGERS = st.integers(-(2**60), 2**60)
NUMBERS = INTEGERS | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
NAMES = st.sampled_from(["a", "b", "title", "schema", "model_config", "_c", "copy"])
SCALARS = st.none() | st.booleans() | NUMBERS | TEXTS | st.sampled_from(["red", 1, "x", 1.0])
ANYTHING = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3)
)

#: A type hint, and JSON that is of that type.
Kind = tuple[Any, st.SearchStrategy[Any]]

SIMPLE: list[Kind] = [
    (int, INTEGERS),
    (float, NUMBERS),
    (bool, st.booleans()),
    (str, TEXTS),
    (None, st.none()),
    (Any, ANYTHING),
    (Literal["x", 1, None], st.sampled_from(["x", 1, None])),
    (Color, st.sampled_from(["red", 1])),
    (Annotated[int, Field(ge=2, lt=7)], st.integers(2, 6)),
    (Annotated[str, Field(min_length=1, max_length=3)], st.text("äb", min_size=1, max_size=3)),
]


#: What takes type hints in brackets. (As values: to a type checker these are none.)
LIST: Any = list
DICT: Any = dict
TUPLE: Any = tuple
UNION: Any = Union


def _compound(inner: st.SearchStrategy[Kind]) -> st.SearchStrategy[Kind]:
    fields = st.dictionaries(st.sampled_from(["a", "b", "title"]), inner, max_size=3)
    one, two = inner, st.tuples(inner, inner)
    return st.one_of(
        one.map(lambda kind: (LIST[kind[0]], st.lists(kind[1], max_size=3))),
        one.map(lambda kind: (DICT[str, kind[0]], st.dictionaries(TEXTS, kind[1], max_size=3))),
        one.map(lambda kind: (UNION[kind[0], None], st.none() | kind[1])),
        two.map(lambda kinds: (UNION[kinds[0][0], kinds[1][0]], kinds[0][1] | kinds[1][1])),
        two.map(
            lambda kinds: (
                TUPLE[kinds[0][0], kinds[1][0]],
                st.tuples(kinds[0][1], kinds[1][1]).map(list),
            )
        ),
        fields.map(_model),
        fields.map(_typed_dict),
    )


def _model(fields: dict[str, Kind]) -> Kind:
    hints: dict[str, Any] = {name: (kind[0], ...) for name, kind in fields.items()}
    return create_model("Made", **hints), st.fixed_dictionaries(
        {name: kind[1] for name, kind in fields.items()}
    )


def _typed_dict(fields: dict[str, Kind]) -> Kind:
    created: Any = TypedDict("Keyed", {name: kind[0] for name, kind in fields.items()})  # type: ignore[misc]
    return created, st.fixed_dictionaries({name: kind[1] for name, kind in fields.items()})


KINDS = st.recursive(st.sampled_from(SIMPLE), _compound, max_leaves=6)
PARAMETERS = st.dictionaries(NAMES, st.tuples(KINDS, st.booleans()), max_size=3)


@given(PARAMETERS, st.data())
def test_the_schema_accepts_what_validation_accepts(
    parameters: dict[str, tuple[Kind, bool]], data: st.DataObject
) -> None:
    created = _tool(parameters)
    validator = Draft202012Validator(created.input_schema)
    Draft202012Validator.check_schema(created.input_schema)
    value = {}
    for name, ((_, right), optional) in parameters.items():
        if not optional or data.draw(st.booleans()):
            value[name] = data.draw(right if data.draw(st.integers(0, 3)) else ANYTHING)
    if data.draw(st.integers(0, 9)) == 0:
        value[data.draw(NAMES)] = data.draw(ANYTHING)

    problems = list(validator.iter_errors(value))
    try:
        arguments = created.parse(value)
    except InvalidInput:
        assert problems, f"{created.input_schema} allows {value!r}"
        return
    assert not problems, f"{created.input_schema} does not allow {value!r}"
    target(float(len(str(value))))
    assert arguments.keys() == parameters.keys()
    for name, item in value.items():
        assert _same(arguments[name], item), (arguments, value)
    for name in arguments.keys() - value.keys():
        assert arguments[name] == "default"


def _tool(parameters: dict[str, tuple[Kind, bool]]) -> Any:
    """A tool with these parameters; the optional ones have a default."""
    text = ", ".join(
        f"{name}: kinds[{name!r}]" + (" = 'default'" if optional else "")
        for name, (_, optional) in parameters.items()
    )
    names: dict[str, Any] = {"kinds": {name: kind[0] for name, (kind, _) in parameters.items()}}
    exec(f"def created({'*, ' if text else ''}{text}): pass", names)
    return tool(names["created"])


def _same(argument: Any, given: Any) -> bool:
    """Whether what the function gets says the same as the JSON did. (Models leave out keys.)"""
    back = to_json(argument)
    if isinstance(given, dict):
        return all(key in given and _same(back[key], given[key]) for key in back)
    if isinstance(given, list):
        return len(back) == len(given) and all(map(_same, back, given))
    if isinstance(back, float) and type(given) is int:
        return back == float(given)  # a `float` holds the nearest number to a large integer
    return bool(back == given and (type(back) is bool) == (type(given) is bool))
