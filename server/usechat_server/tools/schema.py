"""A function's parameters → a pydantic model, which checks the input, and its JSON Schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import docstring_parser
from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema

from usechat_server.tools.context import ToolContext

__all__ = ["Parameters", "code_of", "described", "parameters", "without_partial"]


def without_partial(function: Callable[..., Any]) -> Callable[..., Any]:
    """What a `functools.partial` calls in the end."""
    while isinstance(function, partial):
        function = function.func
    return function


def code_of(function: Callable[..., Any]) -> Callable[..., Any]:
    """The function or method that runs: of an object, its class's `__call__`."""
    function = without_partial(function)
    if inspect.isroutine(function):
        return function
    found: Callable[..., Any] = type(function).__call__
    return found


#: What providers take as the name of a property.
_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
#: a key on which every client throws
_FORBIDDEN = "__proto__"


@dataclass(frozen=True, slots=True)
class Parameters:
    """What a function takes."""

    #: the input; its fields are the function's parameters, which may have names that a model's
    #: fields must not have, so that those are numbered
    model: type[BaseModel]
    #: field of the model → parameter
    names: Mapping[str, str]
    #: the parameters that get the ToolContext
    context: tuple[str, ...]

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the input. Raises TypeError for a type that has none."""
        made = self.model.model_json_schema(schema_generator=_InputSchema)
        del made["title"]
        for name, defined in made.get("$defs", {}).items():
            # The name of the class, which is in its key.
            if re.sub(r"\W", "_", defined.get("title", "")) in name:
                defined.pop("title", None)
        return made


def parameters(
    function: Callable[..., Any], described: Mapping[str, str], local: Mapping[str, Any]
) -> Parameters:
    """The parameters of a function.

    `described` has the docstring's words on them; `local` the names around the function, for hints
    that are strings. Raises TypeError, which names the parameter, for what a model cannot give.
    """
    hints = _hints(function, local)
    bound = function.keywords if isinstance(function, partial) else {}
    context: list[str] = []
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in bound:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"{name} cannot be given by name")
        if name not in hints:
            raise TypeError(f"{name} has no type hint")
        if _is_context(hints[name]):
            context.append(name)
            continue
        field = f"parameter_{len(fields)}"
        fields[field] = _field(hints[name], parameter.default, described.get(name))
        names[field] = name
    # (Typed dicts inherit the config, whose keys stay as they are.)
    config = ConfigDict(extra="forbid", alias_generator=lambda field: names.get(field, field))
    try:
        model = create_model("Input", __config__=config, **fields)
        made = Parameters(model, names, tuple(context))
        properties = made.json_schema()["properties"]
    except PydanticUserError as error:
        raise TypeError(f"a parameter's type has no JSON Schema: {error.message}") from None
    for name in properties:
        if not _NAME.fullmatch(name) or name == _FORBIDDEN:
            raise TypeError(f"{name} is a name that providers or clients refuse")
    return made


def _hints(function: Callable[..., Any], local: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return get_type_hints(code_of(function), localns=dict(local), include_extras=True)
    except NameError as error:
        raise TypeError(f"a type hint cannot be looked up: {error}") from None


def _is_context(hint: Any) -> bool:
    if get_origin(hint) is Annotated:
        hint = get_args(hint)[0]
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] or [hint]
    return kinds == [ToolContext]


def _field(hint: Any, default: Any, described: str | None) -> tuple[Any, Any]:
    given = ... if default is inspect.Parameter.empty else default
    own = [*get_args(hint)[1:]] if get_origin(hint) is Annotated else []
    told = any(isinstance(info, FieldInfo) and info.description for info in [*own, given])
    return (hint if told or not described else Annotated[hint, Field(description=described)]), given


class _InputSchema(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic makes of names, which tell a model nothing."""

    # A default without a JSON form is not shown, which is no reason for a warning.
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def described(function: Callable[..., Any]) -> tuple[str, dict[str, str]]:
    """The description, and that of each parameter (Google's, NumPy's or Sphinx' style).

    Of a docstring that describes parameters, the other sections are left out; any other is the
    description as it is.
    """
    text = _docstring(function)
    try:
        parsed = docstring_parser.parse(text)
    except docstring_parser.ParseError:
        return text, {}
    words = {found.arg_name: found.description for found in parsed.params if found.description}
    return ((parsed.description or "").strip() if parsed.params else text), words


def _docstring(function: Callable[..., Any]) -> str:
    # What a call does says more than what the thing is.
    found = inspect.getdoc(code_of(function))
    return found or inspect.getdoc(without_partial(function)) or ""
