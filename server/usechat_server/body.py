"""The custom fields of a request's body, as the app's own pydantic model."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ValidationError

from usechat_server.providers.base import BadRequest

__all__ = ["validated"]


def validated(fields: dict[str, Any], model: type[BaseModel] | None) -> Any:
    """The fields as the model, or as they are without one. Raises BadRequest, which names the
    field."""
    if model is None:
        return fields
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        # Without the value, which may be long, and pydantic's links.
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(map(str, first["loc"])) or "body"
    said = first["msg"]
    raise BadRequest(f"{place}: {said[:1].lower()}{said[1:200]}")
