"""Mends every fixture as ``--fix --unsafe-fixes`` does, and looks at what comes out.

    python benchmarks/fixes.py            # all of fixtures/
    python benchmarks/fixes.py nadam      # those with this in their names

For each file: how many errors and warnings it has, how many of them have a fix, how many of these were applied, and
what is wrong with the result. It is wrong where it does not parse, assigns something to itself, says what it did not
say before, is told otherwise when it is read again, or where an update that was mended altogether, and explained by a
published optimizer, is like nothing known. Exits with 1 then.
"""

from __future__ import annotations

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from multiprocessing import Pool
from pathlib import Path

from optlint import lint_source
from optlint.fix.mend import Mended, mend
from optlint.model import Finding, Report

FIXTURES = Path(__file__).parent.parent / "fixtures"
_EXPECTATION = re.compile(rb"  # expect: .*")  # as a program without the remark


def main(wanted: str = "") -> int:
    files = [path for path in sorted(FIXTURES.glob("*.py")) if wanted in path.name]
    total: Counter[str] = Counter()
    with Pool(2) as pool:
        for name, counts, wrong in pool.imap(measured, files):
            total.update(counts)
            if counts or wrong:
                print(f"{name}: {_told(counts)}")
            for what in wrong:
                print(f"  {what}")
                total["wrong"] += 1
    print(f"\nall: {_told(total)}, {total['wrong']} wrong")
    return 1 if total["wrong"] else 0


def _told(counts: Counter[str]) -> str:
    return f"{counts['findings']} findings, {counts['offered']} with a fix, {counts['applied']} applied"


def measured(path: Path) -> tuple[str, Counter[str], list[str]]:
    def lint(data: bytes) -> Report:
        return lint_source(data.decode(), path.name)

    text = _EXPECTATION.sub(b"", path.read_bytes())
    before = lint(text)
    made = mend(path.name, text, lint, lambda finding: True)
    offered = [f for f in before.findings if f.fix is not None]
    counts = Counter(findings=len(_loud(before)), offered=len(offered), applied=len(made.applied))
    return path.name, counts, list(_wrong(before, made, lint(made.data)))


def _wrong(before: Report, made: Mended, again: Report) -> Iterator[str]:
    try:
        tree = ast.parse(made.data)
    except SyntaxError as error:
        yield f"does not parse: {error}"
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == ast.unparse(node.value):
            yield f"assigns to itself: {ast.unparse(node)}"
    new = Counter((f.code, f.update) for f in _loud(again)) - Counter((f.code, f.update) for f in _loud(before))
    yield from (f"says {code} of {update} now" for code, update in new)
    if [f.fix for f in made.report.findings] != [f.fix for f in again.findings]:
        yield "is told otherwise when it is read again"
    left = {f.update for f in _loud(again)}
    mended = {f.update for f in made.applied} - left
    known = {u.name for u in before.updates if u.convention}
    unclear = Counter(u.name for u in again.updates if u.status == "unmatched")
    unclear -= Counter(u.name for u in before.updates if u.status == "unmatched")
    yield from (f"{update} is like nothing known" for update in unclear if update in mended & known)


def _loud(report: Report) -> list[Finding]:
    return [f for f in report.findings if f.severity != "note"]


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
