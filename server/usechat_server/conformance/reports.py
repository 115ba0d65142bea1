"""The results of a check as text: for a terminal, and as TAP, JUnit XML and JSON."""

from __future__ import annotations

import dataclasses
import json
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from usechat_server import __version__
from usechat_server.conformance.results import Problem, Result

__all__ = ["REPORTS"]

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
            failure = ET.SubElement(case, "failure", type=first.rule, message=_xml(first.text))
            failure.text = _xml_lines(result.problems)
        elif result.status == "not judged":
            ET.SubElement(case, "skipped", message=_xml(result.unjudged))
        if result.problems and result.status != "failed":
            ET.SubElement(case, "system-out").text = _xml_lines(result.problems)
    ET.indent(suite)
    return ET.tostring(suite, encoding="unicode", xml_declaration=False)


def _xml_lines(problems: Sequence[Problem]) -> str:
    return _xml("\n".join(map(str, problems)))


def _xml(text: str) -> str:
    """Return the text without what no XML document can hold."""
    return "".join(c if c >= " " or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in text)


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
