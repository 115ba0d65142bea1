"""The parameters of a function as a pydantic model, which validates the input, and its JSON
Schema."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from types import NoneType, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from typing_extensions import TypeAliasType

from usechat_server.tools.context import ToolContext
from usechat_server.tools.docstrings import called_function

__all__ = ["parameters"]

#: The property names that providers accept.
_PROPERTY_NAME = re.compile(r"[a-zA-Z0-9_.-]{1,64}")
#: A key that makes every client throw.
_FORBIDDEN = "__proto__"


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a function."""

    #: the input; its fields are numbered, since parameters may have names that a model's fields
    #: must not have
    model: type[BaseModel]
    #: field of the model → parameter
    names: Mapping[str, str]
    #: names of the parameters that get the ToolContext
    context: tuple[str, ...]

    def json_schema(self) -> dict[str, Any]:
        """Return the JSON Schema of the input. Raises TypeError for a type that has none."""
        schema = self.model.model_json_schema(schema_generator=_InputSchema)
        del schema["title"]
        for name, definition in schema.get("$defs", {}).items():
            # A title that pydantic made of the class's name repeats the key.
            if re.sub(r"\W", "_", definition.get("title", "")) in name:
                definition.pop("title", None)
        return schema


def parameters(
    function: Callable[..., Any], descriptions: Mapping[str, str], local_names: Mapping[str, Any]
) -> Parameters:
    """Return the parameters of a function.

    Args:
        function: The callable.
        descriptions: Parameter → its description, from the docstring.
        local_names: Names around the function's definition, for type hints that are strings.

    Raises:
        TypeError: The model cannot provide a parameter, which the message names.
    """
    hints = _type_hints(function, local_names)
    bound = function.keywords if isinstance(function, partial) else {}
    context: list[str] = []
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for name, parameter in inspect.signature(function).parameters.items():
        if name in bound:
            continue
        if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
            raise TypeError(f"parameter {name} must be passable by keyword")
        if name not in hints:
            raise TypeError(f"parameter {name} has no type hint")
        if _is_context(hints[name]):
            context.append(name)
            continue
        field = f"parameter_{len(fields)}"
        fields[field] = _field(hints[name], parameter.default, descriptions.get(name))
        names[field] = name
    # Typed dicts inherit this config: their keys stay as they are.
    config = ConfigDict(extra="forbid", alias_generator=lambda field: names.get(field, field))
    try:
        model = create_model("Input", __config__=config, **fields)
        parameters = Parameters(model, names, tuple(context))
        properties = parameters.json_schema()["properties"]
    except PydanticUserError as error:
        raise TypeError(f"the type of a parameter has no JSON Schema: {error.message}") from None
    for name in properties:
        if not _PROPERTY_NAME.fullmatch(name) or name == _FORBIDDEN:
            raise TypeError(f"parameter {name}: providers or clients do not accept this name")
    return parameters


def _type_hints(function: Callable[..., Any], local_names: Mapping[str, Any]) -> dict[str, Any]:
    try:
        return get_type_hints(
            called_function(function), localns=dict(local_names), include_extras=True
        )
    except NameError as error:
        raise TypeError(f"cannot resolve a type hint: {error}") from None


def _is_context(hint: Any) -> bool:
    """Whether a parameter with this hint gets the call's context."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _is_context(args[0])
    if origin in (Union, UnionType):
        return any(map(_is_context, args)) and all(
            kind is NoneType or _is_context(kind) for kind in args
        )
    if isinstance(hint, TypeAliasType):
        return _is_context(hint.__value__)
    return hint is ToolContext


def _field(hint: Any, default: Any, docstring: str | None) -> tuple[Any, Any]:
    """Return the definition of a field: its type and its default.

    Its description is that of a `Field`, else the text or `Doc` of an `Annotated` hint, else what
    the docstring says.
    """
    # Without a default in the signature, a `Field` of the hint may have one.
    value = Field() if default is inspect.Parameter.empty else default
    metadata = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    if not any(isinstance(info, FieldInfo) and info.description for info in [*metadata, value]):
        # `Doc` is a class of several packages.
        texts = (getattr(info, "documentation", info) for info in metadata)
        description = next((text for text in texts if isinstance(text, str)), docstring)
        if description:
            hint = Annotated[hint, Field(description=description)]
    return hint, value


class _InputSchema(GenerateJsonSchema):
    """JSON Schema without the titles that pydantic makes of names, which are no use to a model."""

    # A default without a JSON form is left out, without a warning.
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False
