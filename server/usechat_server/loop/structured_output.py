"""The structured output of an agent that has `output=`."""

from __future__ import annotations

from pydantic import BaseModel, ValidationError
from ui_message_stream.messages import TextPart, UIMessage

__all__ = ["correction_message", "parse_output"]


def parse_output(output_type: type[BaseModel], message: UIMessage) -> BaseModel:
    """Parse the text of the message's last step as JSON.

    Raises:
        ValidationError: The text is not a JSON value of this type.
    """
    text = "".join(part.text for part in message.last_step() if isinstance(part, TextPart))
    return output_type.model_validate_json(text)


def correction_message(error: ValidationError) -> UIMessage:
    """Return the message that asks the model to correct its output. Clients do not see it."""
    details = "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'the response'}: {item['msg']}"
        for item in error.errors()
    )
    text = f"That response is not valid ({details}). Give the whole response again, corrected."
    return UIMessage(id="correction", role="user", parts=[TextPart(text=text)])
