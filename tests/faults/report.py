"""A readable account of a fault test: what happened in each turn, in order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tests.faults.campaign import Campaign
from tests.faults.records import Turn

__all__ = ["write_report"]


def write_report(campaign: Campaign, folder: Path, broken: list[str]) -> None:
    """Write `report.txt` into a folder: the broken promises, then each turn."""
    start = campaign.turns[0].began
    lines = [*broken, ""]
    for turn in campaign.turns:
        events = sorted(_events(turn))
        lines += [f"{turn.question} {turn.outcomes} {turn.failure}"]
        lines += [f"  {time - start:8.2f} {event}" for time, event in events]
    (folder / "report.txt").write_text("\n".join(lines) + "\n")


def _events(turn: Turn) -> Iterator[tuple[float, str]]:
    for fault in turn.faults:
        yield fault.began, f"{fault} begins"
        yield fault.ended, f"{fault} is over"
    for time, process in turn.requests:
        yield time, f"{process} calls the model"
    for number, tab in enumerate([*turn.tabs, *([turn.hello] if turn.hello else [])]):
        for stream in tab.streams:
            yield stream.began, f"tab {number}: {stream.method} to {stream.process}"
            end = stream.chunks[-1:] if stream.is_complete else "lost"
            summary = f"{stream.status} {stream.text[:200]} {len(stream.chunks)} chunks, {end}"
            yield stream.ended, f"tab {number}: {stream.method} to {stream.process}: {summary}"
        for time, status in tab.failed_loads:
            yield time, f"tab {number}: the chat could not be loaded: {status}"
    last = None
    for sample in turn.samples:
        if sample.text != last:
            last = sample.text
            yield sample.ended, f"stored: …{sample.text[-8:]}"
