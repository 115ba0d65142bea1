"""The results of a check as text: for a terminal, and as TAP, JUnit XML and JSON."""

from __future__ import annotations

import dataclasses
import json
import re
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from usechat_server import __version__
from usechat_server.conformance.results import Problem, Result

__all__ = ["REPORTS", "report"]

#: What a backend can send, and neither a terminal nor an XML document should get.
_UNPRINTABLE = re.compile("[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def report(name: str, target: str, results: Sequence[Result]) -> str:
    """Return the results in a format of `REPORTS`.

    Args:
        name: The format.
        target: What was checked.
        results: The results.
    """
    return _UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", REPORTS[name](target, results))


_MARKS = {"passed": "ok  ", "failed": "FAIL", "not judged": "?   "}


def _human(target: str, results: Sequence[Result]) -> str:
    lines = []
    for result in results:
        lines.append(f"{_MARKS[result.status]} {result.name}")
        lines += [f"       {problem}" for problem in result.problems]
        if result.unjudged:
            lines.append(f"       not judged: {result.unjudged}")
    count = Counter(result.status for result in results)
    problems = Counter(problem.severity for result in results for problem in result.problems)
    lines.append(
        f"{target}: {count['passed']} passed, {count['failed']} failed, "
        f"{count['not judged']} not judged; {problems['error']} errors, "
        f"{problems['warning']} warnings"
    )
    return "\n".join(lines)


def _tap(target: str, results: Sequence[Result]) -> str:
    lines = ["TAP version 14", f"1..{len(results)}"]
    for number, result in enumerate(results, 1):
        outcome = "not ok" if result.status == "failed" else "ok"
        skip = f" # SKIP {_one_line(result.unjudged)}" if result.status == "not judged" else ""
        lines.append(f"{outcome} {number} - {_one_line(result.name)}{skip}")
        if result.problems:
            lines += ["  ---", "  problems:"]
            lines += [f"    - {json.dumps(str(problem))}" for problem in result.problems]
            lines.append("  ...")
    return "\n".join(lines)


def _one_line(text: str) -> str:
    return " ".join(text.split()).replace("#", "\\#")


def _junit(target: str, results: Sequence[Result]) -> str:
    failures = sum(result.status == "failed" for result in results)
    skipped = sum(result.status == "not judged" for result in results)
    suite = ET.Element(
        "testsuite",
        name=target,
        tests=str(len(results)),
        failures=str(failures),
        skipped=str(skipped),
        errors="0",
    )
    for result in results:
        case = ET.SubElement(suite, "testcase", classname="conformance", name=result.name)
        if result.status == "failed":
            first, *_ = (each for each in result.problems if each.severity == "error")
            failure = ET.SubElement(case, "failure", type=first.rule, message=first.text)
            failure.text = _lines(result.problems)
        elif result.status == "not judged":
            ET.SubElement(case, "skipped", message=result.unjudged)
        if result.problems and result.status != "failed":
            ET.SubElement(case, "system-out").text = _lines(result.problems)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=False)


def _lines(problems: Sequence[Problem]) -> str:
    return "\n".join(map(str, problems))


def _json(target: str, results: Sequence[Result]) -> str:
    return json.dumps(
        {
            "target": target,
            "version": __version__,
            "results": [
                {"name": each.name, "status": each.status, "unjudged": each.unjudged or None}
                | {"problems": [dataclasses.asdict(problem) for problem in each.problems]}
                for each in results
            ],
        },
        indent=2,
    )


#: Format -> the function that returns the text, of the target and the results.
REPORTS: Mapping[str, Callable[[str, Sequence[Result]], str]] = {
    "human": _human,
    "tap": _tap,
    "junit": _junit,
    "json": _json,
}
