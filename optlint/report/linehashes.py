"""GitHub's identity of a line, which lasts while lines above it change: the algorithm of its codeql-action."""

from __future__ import annotations

import re
from collections import Counter

from optlint.model import Finding, Report


class LineHashes:
    """The ``primaryLocationLineHash`` of a report's findings."""

    def __init__(self, report: Report) -> None:
        self._texts: dict[str, dict[int | None, tuple[str, ...]]] = {}
        for finding in report.findings:
            self._texts.setdefault(finding.path, {})
        for place, lines in report.texts.items():
            path, mark, cell = place.rpartition(":cell ")
            if mark and path in self._texts and cell.isdecimal():
                self._texts[path][int(cell)] = lines
            elif place in self._texts:
                self._texts[place][None] = lines
        self._hashes: dict[str, list[str]] = {}

    def of(self, finding: Finding) -> str:
        """The hash of the finding's line. A notebook's cells count as one text, one after the other."""
        units = self._texts[finding.path]
        if finding.path not in self._hashes:
            self._hashes[finding.path] = line_hashes("\n".join(line for lines in units.values() for line in lines))
        hashes, line = self._hashes[finding.path], finding.span.line - 1
        for cell, lines in units.items():
            if cell == finding.span.cell:
                break
            line += len(lines)
        return hashes[min(line, len(hashes) - 1)]


def line_hashes(text: str) -> list[str]:
    """For each line, a hash of the 100 UTF-16 units from its start on, and how many equal hashes came before.

    Spaces and tabs do not count, and every newline is a line feed. The end of the file is unit 65535, then zeros.
    """
    size, base, mask = 100, 37, (1 << 64) - 1
    encoded = re.sub("\r\n?", "\n", text).encode("utf-16-le", "surrogatepass")
    units: list[int] = []
    starts = [0]
    for low, high in zip(encoded[::2], encoded[1::2], strict=True):
        unit = low | high << 8
        if unit not in (0x20, 0x09):
            units.append(unit)
            if unit == 0x0A:
                starts.append(len(units))
    units += [65535] + [0] * size
    gone = pow(base, size, 1 << 64)
    rolling, hashed = [], 0
    for position, unit in enumerate(units):
        hashed = hashed * base + unit - (gone * units[position - size] if position >= size else 0) & mask
        rolling.append(hashed)
    seen: Counter[str] = Counter()
    found = []
    for start in starts:
        value = f"{rolling[start + size - 1]:x}"
        seen[value] += 1
        found.append(f"{value}:{seen[value]}")
    return found
