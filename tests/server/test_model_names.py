"""What `Agent` takes as a model."""

from __future__ import annotations

from typing import Any

import pytest
from usechat_server import Agent

from tests.harness.live import ScriptedModel


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("anthropic:claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("anthropic:eu.anthropic.claude-sonnet-5-5-v1:0", "eu.anthropic.claude-sonnet-5-5-v1:0"),
        ("demo", "demo"),
    ],
)
def test_a_model_by_its_name(name: str, model: str) -> None:
    assert Agent(name).spec.model.name == model
    assert Agent("demo", fallback=[name]).spec.fallback[0].name == model


@pytest.mark.parametrize("name", ["gpt-5", "openai:gpt-5", "anthropic:", "", "Claude", "google:x"])
def test_a_name_that_is_no_model(name: str) -> None:
    with pytest.raises(ValueError, match=r"'claude-…', 'demo' or a Model, got"):
        Agent(name)
    with pytest.raises(ValueError, match="got"):
        Agent(ScriptedModel(), fallback=[name])


@pytest.mark.parametrize("model", [None, 5, ScriptedModel, object()])
def test_an_object_that_is_no_model(model: Any) -> None:
    with pytest.raises(TypeError, match="model: expected a model name or a Model, got"):
        Agent(model)
    with pytest.raises(TypeError, match="model: expected a model name or a Model, got"):
        Agent("demo", fallback=[model])
