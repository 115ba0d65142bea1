"""What the two APIs of OpenAI share: the SDK's clients, and the errors."""
