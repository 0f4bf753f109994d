"""Stand-ins for the analysis and the rules, for tests of what surrounds them.

The stand-in analysis reports what a text asks for: each line ``# error``, ``# warning``, ``# note`` or
``# unconfirmed`` is a finding (of OPT101, or of the code that follows), ``# unsupported`` is an update that was not
read, ``# crash`` raises, ``# kill`` ends its process, and ``# wait`` holds it up.
Run as a script, this is the ``optlint`` command over the stand-ins.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Protocol, cast

from optlint import knowledge as real
from optlint import locate
from optlint.locate import Survey
from optlint.model import Finding, Report, Severity, Span, Update
from optlint.settings import Settings
from optlint.source import Source, Unit


class Patch(Protocol):
    """The part of pytest's MonkeyPatch that ``install`` needs."""

    def setitem(self, mapping: dict[str, ModuleType], name: str, value: ModuleType) -> None: ...


class Plain:
    """Patches for good, in a process of its own."""

    def setitem(self, mapping: dict[str, ModuleType], name: str, value: ModuleType) -> None:
        mapping[name] = value


@dataclass(frozen=True)
class Page:
    code: str
    name: str
    severity: Severity
    summary: str
    text: str
    off: str = ""


PAGES = (
    Page("OPT101", "regularization-outside-square", "error", "the penalty is not squared", "# OPT101\n\nβ₂·S\n"),
    Page("OPT203", "missing-epsilon", "warning", "nothing guards the division", "# OPT203\n"),
)


def finding(severity: str, path: str, span: Span, code: str = "OPT101") -> Finding:
    return Finding(
        code=code,
        name="regularization-outside-square",
        severity=cast(Severity, "warning" if severity == "unconfirmed" else severity),
        verdict="unconfirmed" if severity == "unconfirmed" else "confirmed",
        message=f"this is {severity}",
        path=path,
        span=span,
        update="step",
    )


def analyze(source: Source, settings: Settings) -> Report:
    findings, updates = [], []
    for unit in source.units:
        for number, line in enumerate(unit.lines, start=1):
            word, *code = line.partition("# ")[2].split() or [""]
            column = line.find("#") + 1
            span = Span(number, column, number, len(line) + 1, unit.cell)
            if word == "crash":
                raise RecursionError("too\ndeep")
            if word == "interrupt":
                raise KeyboardInterrupt
            if word == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if word == "wait":  # long, and say who waits
                Path(f"{source.path}.pid").write_text(str(os.getpid()), encoding="utf-8")
                time.sleep(600)
            if word in {"error", "warning", "note", "unconfirmed"}:
                findings.append(finding(word, source.path, span, *code[:1]))
            if word == "unsupported":
                updates.append(Update(source.path, "step", span, "other", "", "unsupported", "a while loop"))
    return Report(findings=tuple(reversed(findings)), updates=tuple(updates), candidates=len(findings))


own = analyze
Analyze = Callable[[Source, Settings], Report]


def worth_reading(data: bytes) -> bool:
    return b"#" in data


def survey(units: Iterable[Unit]) -> Survey:
    return Survey(True, [])


def install(
    patch: Patch, *, knowledge: bool = True, pages: tuple[Page, ...] = PAGES, analyze: Analyze = analyze
) -> None:
    """Put the stand-ins in place; without ``knowledge`` the rules are the real ones, else ``pages``."""

    modules: dict[str, dict[str, object]] = {
        "optlint.locate": {
            **vars(locate),
            "worth_reading": worth_reading if analyze is own else bool,
            "survey": survey,
        },
        "optlint.analysis": {"analyze": analyze},
        "optlint.knowledge": {
            **vars(real),
            "KnowledgeError": ValueError,
            "knowledge_of": lambda rules: SimpleNamespace(mistakes=pages),
            "using": nullcontext,
        },
    }
    if not knowledge:
        del modules["optlint.knowledge"]
    for name, members in modules.items():
        module = ModuleType(name)
        vars(module).update(members)
        patch.setitem(sys.modules, name, module)


def in_workers() -> None:
    """Let the workers of this process have the stand-ins."""
    from optlint import workers

    if "standins" not in workers.START:
        workers.START = workers.START.replace(
            "serve()\n", "import standins\nstandins.install(standins.Plain())\nserve()\n"
        )


if __name__ == "__main__":
    from optlint.cli import main

    install(Plain())
    in_workers()
    main(prog_name="optlint")
