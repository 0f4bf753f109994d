"""Injects the catalogue's mistakes into correct programs and counts what optlint says of them.

    python -m benchmarks.mutants                                   # the fixtures and the rule pages' good examples
    python -m benchmarks.mutants --source all --cache ~/.cache/optlint-mutants
    python -m benchmarks.mutants --source torch --each 3 --cache ~/.cache/optlint-mutants  # a sample: hours else
    python -m benchmarks.mutants --unchanged --source all --cache ~/.cache/optlint-mutants  # are the originals silent?

Results are kept as JSON lines under ``--cache``, by the content of the mutant and of optlint itself, so that a run
that was broken off goes on where it stopped. It fails where an original speaks that ``speaking.toml`` does not name.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from benchmarks.mutants import ledger, table
from benchmarks.mutants.campaign import Campaign, Measured, run
from benchmarks.mutants.originals import known_sources, programs

RESULTS = Path(__file__).with_name("RESULTS.md")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.mutants", description=__doc__.split("\n")[0])
    parser.add_argument("--source", action="append", help="fixtures, pages, a package of packages.toml, or all")
    parser.add_argument("--unchanged", action="store_true", help="inject nothing: only read the originals")
    parser.add_argument("--only", action="append", help="only this mistake (may be repeated)")
    parser.add_argument("--file", help="only files whose name contains this")
    parser.add_argument("--limit", type=int, default=0, help="at most so many mutants of a mistake in an update")
    parser.add_argument("--each", type=int, default=0, help="only so many mutants of an update, of different mistakes")
    parser.add_argument("--seed", type=int, default=0, help="draws those (default: 0)")
    parser.add_argument("--seconds", type=float, default=600, help="time limit of a file (default: 600)")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    parser.add_argument("--cache", type=Path, help="folder for results and packages")
    parser.add_argument("--output", type=Path, help=f"write the tables there (the published ones are {RESULTS.name})")
    options = parser.parse_args()
    sources = options.source or ["fixtures", "pages"]
    if "all" in sources:
        sources = known_sources()
    unknown = set(sources) - set(known_sources())
    if unknown:
        parser.error(f"unknown source: {', '.join(sorted(unknown))} (there are {', '.join(known_sources())})")
    wanted = [p for p in programs(sources, options.cache) if not options.file or options.file in p.name]
    only = tuple(options.only or ())
    campaign = Campaign(
        options.unchanged, only, options.limit, options.each, options.seed, options.seconds, options.cache
    )
    measured: list[Measured] = []
    for done, one in enumerate(run(wanted, campaign, options.jobs), 1):
        measured.append(one)
        counted = [o for o in one.outcomes if not o.dropped]
        found = sum(map(table.is_found, counted))
        end = ", out of time" if one.late else f", broken: {one.broken}" if one.broken else ""
        numbers = f"{len(one.outcomes)} mutants, {len(counted)} count, {found} found"
        print(f"[{done}/{len(wanted)}] {one.file}: {numbers}{end}", file=sys.stderr, flush=True)
    measured.sort(key=lambda m: m.file)
    said = [s for m in measured for s in m.speaking]
    title = f"`python -m benchmarks.mutants {' '.join(_said(options, sources))}`"
    text = table.render(
        [o for m in measured for o in m.outcomes],
        [str(s) for s in said],
        sum((Counter({m.source: m.originals}) for m in measured), Counter()),
        [f"{m.file}: {m.broken or 'out of time'}" for m in measured if m.late or m.broken],
        title,
    )
    if options.output:
        options.output.write_text(text, encoding="utf-8")
    else:
        print(text)
    news = ledger.unknown(said)
    for one in news:
        print(f"{one}: {ledger.LEDGER.name} does not name it", file=sys.stderr)
    for one in ledger.gone(said, {m.file for m in measured if not (m.late or m.broken)}):
        print(f"{one}: {ledger.LEDGER.name} names it, and it is not found any more", file=sys.stderr)
    return 1 if news else 0


def _said(options: argparse.Namespace, sources: list[str]) -> Iterator[str]:
    """The options that the numbers depend on."""
    yield from (f"--source {s}" for s in sources)
    yield from (f"--only {code}" for code in options.only or ())
    for name in ("file", "limit", "each", "seed", "seconds"):
        if (value := getattr(options, name)) or name == "seconds":
            yield f"--{name} {value:g}" if name == "seconds" else f"--{name} {value}"


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    sys.exit(main())
