"""`make test-full`: every test, then longer fault tests, in slices that resume where they stopped.

Each slice appends its result to tests/output/full.jsonl. A slice that passed at this commit is not
run again. `SLICE=2/4` runs the second quarter of the slices only.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

RESULTS = Path(__file__).parents[1] / "output" / "full.jsonl"

#: What a slice is called → the arguments of pytest, further variables. Each takes a few minutes.
SLICES: dict[str, tuple[list[str], dict[str, str]]] = {
    "tests": ([], {}),
    **{
        f"faults, seed {seed}": (
            ["tests/faults", "--timeout=1200"],
            {"USECHAT_FAULT_TURNS": "60", "USECHAT_FAULT_SEED": str(seed)},
        )
        for seed in range(1, 5)
    },
    # Hypothesis draws new examples in each run outside of CI.
    **{f"properties, run {run}": (["tests", "-k", "propert"], {}) for run in range(1, 4)},
}


def main(part: str) -> int:
    number, count = map(int, part.split("/"))
    commit = _git("rev-parse", "HEAD") + ("+" if _git("status", "--porcelain") else "")
    passed = _passed(commit)
    failures = 0
    for name in list(SLICES)[number - 1 :: count]:
        if name in passed:
            print(f"{name}: passed before")
            continue
        arguments, variables = SLICES[name]
        start = time.time()
        command = [sys.executable, "-m", "pytest", "-q", *arguments]
        status = subprocess.run(command, env={**os.environ, **variables}, check=False).returncode
        _record(
            {
                "commit": commit,
                "slice": name,
                "status": status,
                "seconds": round(time.time() - start),
                "load": os.getloadavg()[0],
            }
        )
        failures += status != 0
    return 1 if failures else 0


def _passed(commit: str) -> set[str]:
    lines = RESULTS.read_text().splitlines() if RESULTS.exists() else []
    results = [json.loads(line) for line in lines]
    return {
        result["slice"]
        for result in results
        if result["commit"] == commit and not result["status"] and not commit.endswith("+")
    }


def _record(result: dict[str, object]) -> None:
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    with RESULTS.open("a") as file:
        file.write(json.dumps(result) + "\n")


def _git(*arguments: str) -> str:
    return subprocess.check_output(["git", *arguments], text=True).strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "1/1"))
