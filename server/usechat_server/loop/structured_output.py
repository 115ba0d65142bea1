"""The answer as an object of the app's, where the agent has `output=`."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from ui_message_stream.messages import StepStartPart, TextPart, UIMessage

__all__ = ["correction", "final_output"]


def final_output(kind: type[BaseModel], message: UIMessage) -> BaseModel:
    """What the texts of the last step are. Raises ValidationError."""
    texts: list[str] = []
    for part in message.parts:
        if isinstance(part, StepStartPart):
            texts = []
        elif isinstance(part, TextPart):
            texts.append(part.text)
    return kind.model_validate_json("".join(texts))


def correction(error: ValidationError) -> UIMessage:
    """What the model is told, and nobody is shown, so that it corrects its answer."""
    found = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in error.errors()
    )
    text = f"That answer is not valid ({found}). Give the whole answer again, corrected."
    return UIMessage(id="correction", role="user", parts=[TextPart(text=text)])
