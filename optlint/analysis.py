"""One source through the pipeline: located, lifted, judged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from optlint.diagnose.configurations import decay_only_with_momentum
from optlint.diagnose.judge import Judgement, is_published, judge
from optlint.diagnose.slips import slips
from optlint.diagnose.twins import twins_that_differ
from optlint.fix.offer import offered
from optlint.fix.verify import Judged, Key, key_of
from optlint.intent import meant
from optlint.knowledge import find_mistake
from optlint.lift import Lifted, Recurrence, lift
from optlint.lift.program import Program
from optlint.model import Finding, Problem, Report, Span, Update
from optlint.settings import Settings
from optlint.source import Source, Unit

MAX_SEARCHES = 4  # configurations of one update that may turn out to be like nothing known
MAX_UNCLEAR = 12  # and those of one file


def analyze(source: Source, settings: Settings) -> Report:
    """Everything that optlint has to say about one file."""
    program = Program.read(source.units)
    updates: list[Update] = []
    findings: list[Finding] = []
    candidates = 0
    if program.has_candidates:
        lifted, judged = judged_updates(program, source.path, settings)
        candidates = lifted.candidates

        def again(units: tuple[Unit, ...], clear: Key | None) -> Judged:
            edited = Program.read(units)
            if clear is not None and not comes_out_clear(edited, clear):
                return []
            return judged_updates(edited, source.path, settings)[1]

        fixes = offered(program, judged, again)
        for recurrence, verdict in judged:
            updates.append(_update(source.path, recurrence, verdict))
            findings.extend(fixes.get((f.code, f.span), f) for f in verdict.findings)
        slipped = list(slips(judged, source.path, settings))
        findings.extend(finding for finding, _ in slipped)
        named = [recurrence for _, recurrence in slipped]
        findings.extend(twins_that_differ([j for j in judged if j[0] not in named], source.path, settings))
        findings.extend(decay_only_with_momentum(judged, source.path, settings))
        for missed in lifted.missed:
            updates.append(Update(source.path, missed.name, missed.span, "other", "", "unsupported", missed.reason))
        updates.extend(_out_of_sight(lifted, updates, source.path))
    problems = tuple(Problem(source.path, line, message, cell) for cell, line, message in program.problems)
    return Report(tuple(_merged(updates)), tuple(_distinct(findings)), problems, 1, candidates)


def judged_updates(program: Program, path: str, settings: Settings) -> tuple[Lifted, Judged]:
    """A program's updates, each with its verdict."""
    if not program.has_candidates:
        return Lifted(), []
    lifted = lift(program)
    judged: Judged = []
    unclear: Counter[str] = Counter()
    for recurrence in lifted.recurrences:
        recurrence.text = _text(program, recurrence)
        search = unclear[recurrence.name] < MAX_SEARCHES and unclear.total() < MAX_UNCLEAR
        verdict = judge(recurrence, path, settings, search)
        if verdict is not None:
            unclear[recurrence.name] += verdict.status == "unmatched"
            judged.append((recurrence, verdict))
    judged.extend(_seen_from_callers(lifted, judged, program, path, settings, MAX_UNCLEAR - unclear.total()))
    judged = [(recurrence, _by_option(recurrence, verdict, judged)) for recurrence, verdict in judged]
    _keep_confirmed(lifted, judged, program, path, settings)
    _counted_by_callers(lifted, judged, program, path, settings)
    for recurrence, verdict in judged:
        if recurrence.on_data:
            _keep_agreed(recurrence, verdict, judged)
    return lifted, judged


def comes_out_clear(program: Program, key: Key) -> bool:
    """Whether an update of a program behaves as a published one: no search for mistakes is worth while else."""
    return program.has_candidates and any(key_of(r) == key and is_published(r) for r in lift(program).recurrences)


def _out_of_sight(lifted: Lifted, updates: list[Update], path: str) -> Iterator[Update]:
    """Functions that are named after an optimizer, could hold its update, and show none."""
    for quiet in lifted.quiet:
        named = meant(quiet.name) if not quiet.name.rpartition(".")[2].startswith("test") else None
        if named is not None and not any(quiet.span.covers(u.span) for u in updates):
            yield Update(path, quiet.name, quiet.span, named.family, "", "unsupported", quiet.reason)


def _seen_from_callers(
    lifted: Lifted,
    judged: Judged,
    program: Program,
    path: str,
    settings: Settings,
    left: int,
) -> Judged:
    """Functions whose update is like nothing known by itself, judged with what their callers hand in.

    At most ``left`` searches may fail.
    """
    names: dict[str, bool] = {}
    for recurrence, verdict in judged:
        names[recurrence.name] = names.get(recurrence.name, True) and verdict.status == "unmatched"
    found: Judged = []
    for name in (n for n, unclear in names.items() if unclear):
        for views in lifted.seen_from_callers(name):
            clear = []
            for number, recurrence in enumerate(views):
                recurrence.text = _text(program, recurrence)
                view = judge(recurrence, path, settings, search=number < MAX_SEARCHES and left > 0)
                left -= view is not None and view.status == "unmatched"
                if view is not None and view.status in ("matched", "mistaken"):
                    clear.append((recurrence, view))
            found.extend(clear)
            if clear:
                break
    return found


def _keep_confirmed(lifted: Lifted, judged: Judged, program: Program, path: str, settings: Settings) -> None:
    """Findings that a caller may answer by what it hands in (a step size that is corrected already) stay only where
    the file's own callers, if there are any, do not answer them."""
    doubtful: dict[str, list[Judgement]] = {}
    for recurrence, verdict in judged:
        if recurrence.at_home and any(_up_to_callers(f) for f in verdict.findings):
            doubtful.setdefault(recurrence.name, []).append(verdict)
    for name, verdicts in doubtful.items():
        views = next(lifted.seen_from_callers(name), [])
        codes: set[str] = set()
        for recurrence in views:
            recurrence.text = _text(program, recurrence)
            view = judge(recurrence, path, settings)
            codes |= {f.code for f in view.findings} if view is not None else set()
        for verdict in verdicts if views else ():
            verdict.findings = [f for f in verdict.findings if f.code in codes or not _up_to_callers(f)]
            if not verdict.findings:
                verdict.status = "unmatched"


def _counted_by_callers(lifted: Lifted, judged: Judged, program: Program, path: str, settings: Settings) -> None:
    """How steps are counted, where a function leaves that to its callers: the file's own callers, if any, tell."""
    asked: dict[str, list[tuple[Recurrence, Judgement]]] = {}
    for recurrence, verdict in judged:
        if recurrence.at_home and verdict.subject is not None and _counted_elsewhere(recurrence, verdict):
            asked.setdefault(recurrence.name, []).append((recurrence, verdict))
    for name, updates in asked.items():
        views = next(lifted.seen_from_callers(name), [])
        if not views:
            continue
        told: dict[Span, list[Finding]] = {}
        for recurrence in views:
            recurrence.text = _text(program, recurrence)
            view = judge(recurrence, path, settings)
            for span in recurrence.writes:
                told.setdefault(span, []).extend(f for f in view.findings if _is_of_time(f)) if view else None
        several = {s for r in views if r.serves_several for s in r.writes}
        for recurrence, verdict in updates:
            mine = [f for f in verdict.findings if not _is_of_time(f) or set(recurrence.writes) & several]
            codes = {(f.code, f.span) for f in mine}
            new = [f for s in recurrence.writes for f in told.get(s, ()) if (f.code, f.span) not in codes]
            verdict.findings = [*mine, *dict.fromkeys(new)]
            loud = any(f.severity != "note" for f in verdict.findings)
            verdict.status = "mistaken" if loud else "matched"


def _counted_elsewhere(recurrence: Recurrence, verdict: Judgement) -> bool:
    """A published update whose step number is handed in, or counts what it is handed in."""
    assert verdict.subject is not None
    own = {x for c in recurrence.counters for x in (c.old, c.new)}
    if verdict.status == "matched":
        return any(not c.known and c.symbol.kind != "index" and c.symbol not in own for c in verdict.subject.clocks)
    apart = (recurrence.owner or recurrence.key) and not recurrence.per_parameter
    return bool(apart) and all(_is_of_time(f) or f.severity == "note" for f in verdict.findings)


def _is_of_time(finding: Finding) -> bool:
    page = find_mistake(finding.code)
    return page is not None and bool(page.options.get("clock"))


def _up_to_callers(finding: Finding) -> bool:
    page = find_mistake(finding.code)
    return page is not None and bool(page.options.get("callers"))


def _by_option(recurrence: Recurrence, verdict: Judgement, judged: Judged) -> Judgement:
    """What the user can turn on or off (``if bias_correction:``) is chosen, not forgotten."""
    pages = [find_mistake(f.code) for f in verdict.findings if f.severity != "note"]
    chosen = verdict.deviation
    if chosen is None and pages and all(p is not None and p.options.get("optional") for p in pages):
        chosen = Judgement("unmatched", verdict.family, subject=verdict.subject)
    if chosen is None:
        return verdict
    for other, view in judged:
        if view.status == "matched" and set(other.writes) & set(recurrence.writes):
            shared = recurrence.configuration.keys() & other.configuration.keys()
            turned = [c for c in shared if recurrence.configuration[c] != other.configuration[c]]
            if len(turned) == 1:
                return chosen
    return verdict


def _keep_agreed(recurrence: Recurrence, verdict: Judgement, judged: Judged) -> None:
    """On a path that data chooses, only what every path of the update shows is the update's mistake."""
    for other, view in judged:
        if other is not recurrence and set(other.writes) & set(recurrence.writes) and view.status != "unmatched":
            codes = {f.code for f in view.findings}
            verdict.findings = [f for f in verdict.findings if f.code in codes]
    if verdict.status == "mistaken" and all(f.severity == "note" for f in verdict.findings):
        verdict.status = "matched"


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


def _text(program: Program, recurrence: Recurrence) -> str:
    """The names and comments of the block that holds the update, and what the file imports."""
    for number, block in program.blocks:
        unit = program.units[number]
        if unit.cell == recurrence.span.cell and block.line <= recurrence.span.line <= block.end_line:
            recurrence.heading = unit.heading
            lines = unit.text.split("\n")[block.line - 1 : block.end_line]
            return "\n".join([*lines, *sorted(recurrence.imports)])
    return ""


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
