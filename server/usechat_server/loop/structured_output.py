"""The answer as an object of the app's, where the agent has `output=`."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from ui_message_stream.messages import TextPart, UIMessage

__all__ = ["correction", "final_output"]


def final_output(kind: type[BaseModel], message: UIMessage) -> BaseModel:
    """What the texts of the last step are. Raises ValidationError."""
    text = "".join(part.text for part in message.last_step() if isinstance(part, TextPart))
    return kind.model_validate_json(text)


def correction(error: ValidationError) -> UIMessage:
    """What the model is told, and nobody is shown, so that it corrects its answer."""
    found = "; ".join(
        f"{'.'.join(map(str, one['loc'])) or 'the answer'}: {one['msg']}" for one in error.errors()
    )
    text = f"That answer is not valid ({found}). Give the whole answer again, corrected."
    return UIMessage(id="correction", role="user", parts=[TextPart(text=text)])
