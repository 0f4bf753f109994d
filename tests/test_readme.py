"""What the README shows is what the command prints."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_shown_output_is_real() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    found = re.search(r"<!-- output of optlint (\S+) -->\n```text\n(.*?)```", text, re.DOTALL)
    assert found is not None
    command = [sys.executable, "-m", "optlint", "--color", "never", found[1]]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, encoding="utf-8", check=False)
    assert printed.returncode == 1
    assert printed.stdout.startswith(found[2].rstrip())


def test_the_counts_in_the_changelog_are_true() -> None:
    from optlint.knowledge import conventions, mistakes

    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    files = len(list((ROOT / "rules" / "conventions").glob("*.toml")))
    assert f"{len(conventions())} published forms in {files} files" in text
    assert f"{len(mistakes())} mistakes under" in text
