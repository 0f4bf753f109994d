"""One source through the pipeline: located, lifted, judged."""

from __future__ import annotations

import os
from collections.abc import Iterator

from optlint.diagnose.ahead import moved_for_good, points_ahead
from optlint.diagnose.alike import momentum_twice
from optlint.diagnose.configurations import climbs_alone, corrected_on_another_path, decay_only_with_momentum
from optlint.diagnose.judge import Judgement
from optlint.diagnose.slips import slips
from optlint.diagnose.twins import twins_that_differ
from optlint.diagnose.unfed import never_fed
from optlint.fix.offer import offered
from optlint.fix.verify import Judged, Trial
from optlint.intent import meant
from optlint.judging import Bench
from optlint.lift import Lifted, Recurrence
from optlint.lift.program import Program
from optlint.model import Finding, Problem, Report, Update
from optlint.modules import Modules
from optlint.settings import Settings
from optlint.source import Source, Unit


def analyze(source: Source, settings: Settings) -> Report:
    """Everything that optlint has to say about one file."""
    modules = Modules(os.path.abspath(source.path) if os.path.isfile(source.path) else "")
    program = Program.read(source.units, modules)
    updates: list[Update] = []
    findings: list[Finding] = []
    candidates = 0
    if program.has_candidates:
        bench = Bench(source.path, settings)
        lifted, judged = bench.judged(program)
        candidates = lifted.candidates

        def again(units: tuple[Unit, ...], trial: Trial) -> Judged:
            return bench.judged(Program.read(units, modules, program), trial)[1]

        fixes = offered(program, judged, again)
        for recurrence, verdict in judged:
            updates.append(_update(source.path, recurrence, verdict))
            findings.extend(fixes.get((f.code, f.span), f) for f in verdict.findings)
        slipped = list(slips(judged, source.path, settings))
        findings.extend(finding for finding, _ in slipped)
        named = [recurrence for _, recurrence in slipped]
        findings.extend(twins_that_differ([j for j in judged if j[0] not in named], source.path, settings))
        findings.extend(points_ahead(judged, source.path, settings))
        findings.extend(never_fed(judged, source.path, settings))
        findings.extend(moved_for_good(judged, source.path, settings))
        findings.extend(momentum_twice(judged, source.path, settings))
        findings.extend(decay_only_with_momentum(judged, source.path, settings))
        findings.extend(climbs_alone(judged, source.path, settings))
        findings.extend(corrected_on_another_path(judged, source.path, settings))
        for missed in lifted.missed:
            updates.append(Update(source.path, missed.name, missed.span, "other", "", "unsupported", missed.reason))
        updates.extend(_out_of_sight(lifted, updates, source.path))
    problems = tuple(Problem(source.path, line, message, cell) for cell, line, message in program.problems)
    seen = tuple(sorted(modules.seen.items()))
    return Report(tuple(_merged(updates)), tuple(_distinct(findings)), problems, 1, candidates, beside=seen)


def _out_of_sight(lifted: Lifted, updates: list[Update], path: str) -> Iterator[Update]:
    """Functions that are named after an optimizer, could hold its update, and show none."""
    for quiet in lifted.quiet:
        named = meant(quiet.name) if not quiet.name.rpartition(".")[2].startswith("test") else None
        if named is not None and not any(quiet.span.covers(u.span) for u in updates):
            yield Update(path, quiet.name, quiet.span, named.family, "", "unsupported", quiet.reason)


def _update(path: str, recurrence: Recurrence, verdict: Judgement) -> Update:
    return Update(
        path,
        recurrence.name,
        recurrence.span,
        verdict.family,
        verdict.convention,
        verdict.status,
        verdict.reason,
        recurrence.equations(),
        ", ".join(f"{'' if v else 'not '}{k}" for k, v in recurrence.configuration.items()),
    )


_RANK = {"mistaken": 0, "matched": 1, "unmatched": 2, "unsupported": 3}


def _merged(updates: list[Update]) -> list[Update]:
    """Configurations of one update that tell the same are one entry."""
    kept: dict[tuple[object, ...], Update] = {}
    for update in updates:
        key = (update.name, update.span, update.family, update.convention, update.status)
        kept.setdefault(key, update)
    best: dict[tuple[object, ...], Update] = {}
    for update in kept.values():
        place = (update.name, update.span)
        if place not in best or _RANK[update.status] < _RANK[best[place].status] or update.status == "matched":
            best[(*place, update.family)] = update
            best.setdefault(place, update)
    chosen = {id(u): u for u in best.values()}
    loud = {(u.name, u.span) for u in chosen.values() if u.status in ("matched", "mistaken")}
    return [u for u in chosen.values() if u.status in ("matched", "mistaken") or (u.name, u.span) not in loud]


def _distinct(findings: list[Finding]) -> list[Finding]:
    """One finding for each code and place; the configuration that was met first speaks."""
    kept: dict[tuple[object, ...], Finding] = {}
    for finding in findings:
        kept.setdefault((finding.code, finding.span), finding)
    return sorted(kept.values(), key=lambda f: (f.span, f.code))
