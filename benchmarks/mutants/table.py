"""The results as Markdown."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from benchmarks.mutants.trial import Outcome
from optlint.knowledge import find_mistake

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

EQUIVALENTS = Path(__file__).with_name("equivalents.toml")


def equivalents() -> dict[str, frozenset[str]]:
    """Codes that say the same of the same update, with the reasons in the file."""
    data = tomllib.loads(EQUIVALENTS.read_text(encoding="utf-8"))
    return {code: frozenset(c for entry in entries for c in entry["codes"]) for code, entries in data.items()}


def is_found(outcome: Outcome) -> bool:
    """A confirmed error or warning lies on the update (for a page that is only a note: that note)."""
    if any("note" not in c for c in outcome.reported):
        return True
    page = find_mistake(outcome.code)
    return page is not None and page.severity == "note" and f"{outcome.code} (note)" in outcome.reported


def is_right(outcome: Outcome, table: dict[str, frozenset[str]]) -> bool:
    accepted = {outcome.code, *table.get(outcome.code, ())}
    return any(c.removesuffix(" (note)") in accepted for c in outcome.reported)


def looked_for(code: str) -> bool:
    page = find_mistake(code)
    return page is not None and not page.off


def render(outcomes: list[Outcome], speaking: list[str], originals: Counter[str], late: list[str], title: str) -> str:
    table = equivalents()
    counted = [o for o in outcomes if not o.dropped and looked_for(o.code)]
    lines = [f"# Mutants\n\n{title}\n"]
    found, right = sum(map(is_found, counted)), sum(is_right(o, table) for o in counted)
    lines.append(
        f"{len(counted)} mutants that count: {_share(found, len(counted))} found, "
        f"{_share(right, len(counted))} with the right code.\n"
    )
    lines.append(f"{sum(originals.values())} originals ({_listed(originals)}); {len(speaking)} of them speak.\n")
    lines.extend(f"- {line}" for line in speaking)
    lines.append("\n## By mistake\n")
    lines.extend(_by(outcomes, lambda o: f"{o.code} {_name(o.code)}", table))
    lines.append("\n## By framework\n")
    lines.extend(_by([o for o in outcomes if looked_for(o.code)], lambda o: o.framework, table))
    lines.append("\n## By source\n")
    lines.extend(_by([o for o in outcomes if looked_for(o.code)], lambda o: o.source, table))
    lines.append("\n## Dropped\n")
    lines.extend(_dropped(outcomes))
    unpaged = sorted({o.code for o in outcomes if not o.dropped and not looked_for(o.code)})
    if unpaged:
        lines.append(f"\nInjected, but no rule looks for them yet (not counted above): {', '.join(unpaged)}.")
    if late:
        lines.append("\n## Not measured to the end\n")
        lines.extend(f"- {name}" for name in late)
    lines.append("\n## Misses\n")
    lines.extend(_misses(counted, table))
    return "\n".join(lines) + "\n"


def _name(code: str) -> str:
    page = find_mistake(code)
    return page.name if page is not None else "(no page)"


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.3f})" if whole else "–"


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {n}" for name, n in sorted(counts.items()))


def _by(outcomes: list[Outcome], key: Callable[[Outcome], str], table: dict[str, frozenset[str]]) -> Iterator[str]:
    groups: dict[str, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        groups[key(outcome)].append(outcome)
    fixes_become = ("restores", "other form", "part", "wrong")
    heads = ["injected", "dropped", "count", "found", "right code", "repair named", "fix restores", *fixes_become[1:]]
    yield f"| | {' | '.join(heads)} |"
    yield f"|---{'|--:' * len(heads)}|"
    for name in sorted(groups):
        group = [o for o in groups[name] if not o.dropped]
        fixes = Counter(o.fix for o in group)
        cells = [
            len(groups[name]),
            len(groups[name]) - len(group),
            len(group),
            _rate(sum(map(is_found, group)), len(group)),
            _rate(sum(is_right(o, table) for o in group), len(group)),
            _rate(sum(bool(o.fixed) and not o.fixed.startswith("as meant") for o in group), len(group)),
            *(fixes[how] for how in fixes_become),
        ]
        yield f"| {name} | {' | '.join(map(str, cells))} |"


def _rate(part: int, whole: int) -> str:
    return f"{part / whole:.3f}" if whole else "–"


def _dropped(outcomes: Iterable[Outcome]) -> Iterator[str]:
    reasons = Counter(f"{o.code}: {o.dropped}" for o in outcomes if o.dropped)
    for reason, count in sorted(reasons.items()):
        yield f"- {reason} ({count})"


def _misses(outcomes: Iterable[Outcome], table: dict[str, frozenset[str]]) -> Iterator[str]:
    yield "| file | function | line | mistake | as | change | reported | status |"
    yield "|---|---|--:|---|---|---|---|---|"
    for o in sorted(outcomes, key=lambda o: (o.code, o.file, o.function, o.line, o.kind)):
        if not (is_found(o) and is_right(o, table)):
            change = o.change if len(o.change) <= 110 else o.change[:107] + "…"
            cells = [o.file, o.function, o.line, o.code, o.kind, f"`{change.replace('|', '¦')}`"]
            yield f"| {' | '.join(map(str, cells))} | {', '.join(o.reported) or '–'} | {'; '.join(o.status)} |"
