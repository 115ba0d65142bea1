"""Long test runs in slices, each of which takes at most 25 minutes.

    python tests/harness/slices.py soak --turns 2000

Each slice appends its result to tests/output/slices.jsonl: commit, series, slice, seed, load and
result. A slice that has a result at this commit is not run again, so a series goes on where it
stopped. Changed files that are not committed are a commit of their own, whose results do not count.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "tests" / "output" / "slices.jsonl"
#: Seconds after which a slice is ended.
SLICE_SECONDS = 25 * 60
#: Turns of a slice of the fault test.
SLICE_TURNS = 100
#: Of the repetitions of every test: how many run on a quiet machine, and how many on a busy one.
QUIET_REPETITIONS, BUSY_REPETITIONS = 3, 2
#: All tests in two parts, since a busy machine does not run them all in one slice.
PARTS = {"tests/server": ("tests/server",), "the others": ("tests", "--ignore=tests/server")}


@dataclass(frozen=True)
class Slice:
    """One run of pytest."""

    name: str
    arguments: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    seed: int | None = None
    #: whether all cores are busy meanwhile
    is_busy: bool = False
    #: whether it is run again though it has a result
    is_repeatable: bool = False


def full(part: str) -> list[Slice]:
    """Return every test, then longer fault and property tests; or a part of them, such as 1/4."""
    slices = [
        Slice("tests"),
        *(_faults(seed, 60, database) for seed in (1, 2) for database in ("sqlite", "postgresql")),
        # Hypothesis draws new examples in each run outside of CI.
        *(
            Slice(f"properties, run {run}", ("tests", "-k", "propert"), {"USECHAT_EXAMPLES": "600"})
            for run in range(1, 4)
        ),
    ]
    number, count = map(int, part.split("/"))
    return slices[number - 1 :: count]


def soak(turns: int, first_seed: int) -> list[Slice]:
    """Return so many turns of the fault test, each slice with a seed of its own. Databases take
    turns, and every other pair of slices runs on a busy machine."""
    return [
        _faults(
            first_seed + number,
            min(SLICE_TURNS, turns - number * SLICE_TURNS),
            ("sqlite", "postgresql")[number % 2],
            is_busy=number % 4 >= 2,
        )
        for number in range(-(-turns // SLICE_TURNS))
    ]


def repeat(repetitions: int) -> list[Slice]:
    """Return repetitions of the tests that need no browser, Next.js or PostgreSQL, of which the
    last two of each five run on a busy machine, then of all tests."""
    return [
        *(
            Slice(f"portable {number + 1}", ("--portable",), is_busy=number % 5 >= 3)
            for number in range(repetitions)
        ),
        *(Slice(f"all {number + 1}") for number in range(QUIET_REPETITIONS)),
        *(
            Slice(f"busy {number + 1}, {part}", arguments, is_busy=True)
            for number in range(BUSY_REPETITIONS)
            for part, arguments in PARTS.items()
        ),
    ]


def _faults(
    seed: int,
    turns: int,
    database: str,
    *,
    mutation: str = "",
    is_busy: bool = False,
    is_repeatable: bool = False,
) -> Slice:
    name = f"faults, {turns} turns on {database}" + (f", without {mutation}" if mutation else "")
    return Slice(
        name,
        ("-s", "tests/faults", "-k", database),
        {
            "USECHAT_FAULT_TURNS": str(turns),
            "USECHAT_FAULT_SEED": str(seed),
            "USECHAT_FAULT_MUTATION": mutation,
        },
        seed,
        is_busy,
        is_repeatable,
    )


def run(series: str, slices: list[Slice]) -> int:
    """Run the slices that have no result, and return the exit status."""
    commit = _git("rev-parse", "HEAD") + ("+" if _git("status", "--porcelain") else "")
    earlier = [] if commit.endswith("+") else _results(commit, series)
    results = []
    for each in slices:
        previous = [
            result
            for result in earlier
            if (result["slice"], result["seed"], result["busy"])
            == (each.name, each.seed, each.is_busy)
        ]
        if previous and not each.is_repeatable:
            results.append(previous[-1])
            print(f"{each.name}, seed {each.seed}: has a result ({previous[-1]['result']})")
        else:
            results.append(_run_slice(commit, series, each))
    failed = [result for result in results if result["result"] != "passed"]
    print(f"{series}: {len(results) - len(failed)} of {len(results)} slices passed")
    for result in failed:
        print(f"  {result}")
    return 1 if failed else 0


def _run_slice(commit: str, series: str, each: Slice) -> dict[str, Any]:
    command = [sys.executable, "-m", "pytest", "-q", *each.arguments]
    start, loads = time.time(), [os.getloadavg()[0]]
    log = RESULTS.with_suffix(".log")
    log.parent.mkdir(parents=True, exist_ok=True)
    with _busy_cores(each.is_busy), log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **each.variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            status = process.wait(SLICE_SECONDS)
            outcome = "passed" if status == 0 else "failed"
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            outcome = "timed out"
        loads.append(os.getloadavg()[0])
    text = log.read_text(errors="replace")
    result = {
        "commit": commit,
        "series": series,
        "slice": each.name,
        "seed": each.seed,
        "busy": each.is_busy,
        "load": [round(load, 1) for load in loads],
        "seconds": round(time.time() - start),
        "result": outcome,
        "details": _details(text),
    }
    with RESULTS.open("a") as file:
        file.write(json.dumps(result) + "\n")
    print(
        json.dumps(result) if outcome == "passed" else f"{text}\n{json.dumps(result)}", flush=True
    )
    return result


def _details(output: str) -> list[str]:
    """Return the lines of pytest's output that say what happened."""
    pattern = r"^(?:\d+ of \d+ turns .*|FAILED .*|ERROR .*|E   +chat-.*|\d+ (?:passed|failed).*)$"
    return [line[:300] for line in re.findall(pattern, output, re.MULTILINE)]


@contextmanager
def _busy_cores(is_busy: bool) -> Iterator[None]:
    """Keep every core busy until the block ends."""
    count = (os.cpu_count() or 1) if is_busy else 0
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(count)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _results(commit: str, series: str) -> list[dict[str, Any]]:
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    results = [json.loads(line) for line in lines]
    return [each for each in results if (each["commit"], each["series"]) == (commit, series)]


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], text=True, cwd=ROOT).strip()


def _parse(arguments: list[str]) -> tuple[str, list[Slice]]:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    series = parser.add_subparsers(dest="series", required=True)
    command = series.add_parser("full")
    command.add_argument("--part", default="1/1")
    command = series.add_parser("soak")
    command.add_argument("--turns", type=int, default=2000)
    command.add_argument("--seed", type=int, default=1000, help="of the first slice")
    command = series.add_parser("repeat")
    command.add_argument("--repetitions", type=int, default=30)
    command = series.add_parser("faults")
    command.add_argument("--turns", type=int, default=100)
    command.add_argument("--seed", type=int, default=1)
    command.add_argument("--database", choices=["sqlite", "postgresql"], default="sqlite")
    command.add_argument("--without", default="", help="see tests/faults/mutations.py")
    command.add_argument("--busy", action="store_true", help="keep all cores busy")
    options = parser.parse_args(arguments)
    match options.series:
        case "full":
            slices = full(options.part)
        case "soak":
            slices = soak(options.turns, options.seed)
        case "repeat":
            slices = repeat(options.repetitions)
        case _:
            slices = [
                _faults(
                    options.seed,
                    options.turns,
                    options.database,
                    mutation=options.without,
                    is_busy=options.busy,
                    is_repeatable=True,
                )
            ]
    return options.series, slices


if __name__ == "__main__":
    sys.exit(run(*_parse(sys.argv[1:])))
