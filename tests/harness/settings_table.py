"""The README's table of settings, from the class itself. Run as a script it prints the table."""

from __future__ import annotations

from usechat_server.settings import describe

__all__ = ["settings_table"]


def settings_table() -> str:
    """A Markdown table: every variable, its default, what it does."""
    rows = [("Variable", "Default", "What it does"), ("---", "---", "---")]
    for variable, default, text in describe():
        rows.append((f"`{variable}`", f"`{default}`" if default else "", text.replace("|", r"\|")))
    return "\n".join(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows)


if __name__ == "__main__":
    print(settings_table())
