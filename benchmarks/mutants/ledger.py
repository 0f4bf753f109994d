"""The errors and warnings on released optimizers that a person has read: what else is said of an original is news."""

from __future__ import annotations

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from optlint.model import Finding

if sys.version_info >= (3, 11):
    import tomllib
else:  # pragma: no cover
    import tomli as tomllib

LEDGER = Path(__file__).with_name("speaking.toml")


@dataclass(frozen=True, order=True)
class Saying:
    """What optlint says of an original. file: with the package and version before it; line: for people."""

    file: str
    update: str
    code: str
    line: int

    @property
    def key(self) -> tuple[str, str, str]:
        return self.file, self.update, self.code

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.update}: {self.code}"


def saying(file: str, finding: Finding) -> Saying:
    return Saying(file, finding.update, finding.code, finding.span.line)


def known() -> list[Saying]:
    """What the ledger names."""
    data = tomllib.loads(LEDGER.read_text(encoding="utf-8"))
    return [Saying(e["file"], e["update"], e["code"], e["line"]) for e in data["finding"]]


def unknown(said: list[Saying]) -> list[Saying]:
    """What the ledger does not name, as often as it is said too much."""
    left = Counter(s.key for s in known())
    news = []
    for one in sorted(said):
        if left[one.key]:
            left[one.key] -= 1
        else:
            news.append(one)
    return news


def gone(said: list[Saying], files: set[str]) -> list[Saying]:
    """What the ledger names in these files and is not said any more."""
    left = Counter(s.key for s in said)
    lost = []
    for one in known():
        if one.file in files and not left[one.key]:
            lost.append(one)
        left[one.key] -= 1
    return lost
