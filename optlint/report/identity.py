"""What a finding is known by wherever its line moves to: for GitLab, and for a baseline."""

from __future__ import annotations

import hashlib

from optlint.model import Finding


def parts(finding: Finding, line: str) -> tuple[str, str, str]:
    """The rule, the update's name and the line's text, its spaces aside."""
    return finding.code, finding.update, " ".join(line.split())


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]
