"""The table of settings in the README. `python tests/harness/settings_table.py` prints it."""

from __future__ import annotations

from usechat_server.settings import describe

__all__ = ["settings_table"]


def settings_table() -> str:
    """Return a Markdown table of the variables, their defaults and descriptions."""
    rows = [("Variable", "Default", "What it does"), ("---", "---", "---")]
    for variable, default, text in describe():
        rows.append((f"`{variable}`", f"`{default}`" if default else "", text.replace("|", r"\|")))
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


if __name__ == "__main__":
    print(settings_table())
