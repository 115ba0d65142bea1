"""Our own recordings are valid for the SDK's types, and cover everything that these name."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Literal, get_args, get_origin

import pytest
from anthropic.types.beta import BetaRawMessageStreamEvent
from pydantic import BaseModel, TypeAdapter, ValidationError

from tests.server.providers.anthropic.recordings import Recording, our_own

#: Prefix of recordings of types that the SDK does not know.
UNKNOWN = "unknown-"

EVENTS: TypeAdapter[Any] = TypeAdapter(BetaRawMessageStreamEvent)

_NAMES = ("type", "name", "stop_reason")

#: Fields below which nothing becomes a chunk.
_NOT_SHOWN = {"usage", "diagnostics", "input_transformations", "tool_changes"}


@pytest.mark.parametrize("recording", our_own(), ids=lambda recording: recording.name)
def test_a_recording_is_valid_for_the_sdk(recording: Recording) -> None:
    invalid_events = []
    for event in recording.events:
        if event["type"] in ("ping", "error"):
            continue
        try:
            EVENTS.validate_python(event)
        except ValidationError:
            invalid_events.append(json.dumps(event))
    assert bool(invalid_events) == recording.name.startswith(UNKNOWN), invalid_events


def test_every_type_of_the_sdk_is_recorded() -> None:
    recorded_names = {value for r in our_own() for event in r.events for value in _types(event)}
    sdk_names = set(_named(BetaRawMessageStreamEvent, set()))
    assert sdk_names - recorded_names == set()


def _types(value: Any) -> Iterator[str]:
    """Every `type` in a JSON value, and the names of the provider's tools."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key in _NAMES and isinstance(item, str):
                yield item
            yield from _types(item)
    elif isinstance(value, list):
        for item in value:
            yield from _types(item)


def _named(annotation: Any, seen: set[Any]) -> Iterator[str]:
    """The values that the types within an annotation have for the same keys."""
    for argument in get_args(annotation):
        yield from _named(argument, seen)
    if (
        isinstance(annotation, type)
        and issubclass(annotation, BaseModel)
        and annotation not in seen
    ):
        seen.add(annotation)
        for name, field in annotation.model_fields.items():
            if name in _NAMES:
                yield from _literals(field.annotation)
            if name not in _NOT_SHOWN:
                yield from _named(field.annotation, seen)


def _literals(annotation: Any) -> Iterator[str]:
    if get_origin(annotation) is Literal:
        yield from get_args(annotation)
    for argument in get_args(annotation):
        yield from _literals(argument)
