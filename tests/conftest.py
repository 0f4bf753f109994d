"""What every test starts from: one process, no cache, no build server, wherever it runs; some tests say otherwise."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import standins

os.environ |= {"OPTLINT_JOBS": "1", "OPTLINT_NO_CACHE": "1"}
for server in ("GITHUB_WORKSPACE", "CI_PROJECT_DIR"):  # reports write paths from there
    os.environ.pop(server, None)
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: its children would, too
    signal.signal(signal.SIGINT, signal.default_int_handler)


BY_EXAMPLE = {"test_fix.py": "pages", "test_rules.py": "pages", "test_fixtures.py": "fixtures"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What one example is asked stands together, so that each worker lints it once for all questions."""

    def group(item: pytest.Item) -> str:
        return BY_EXAMPLE.get(item.path.name, item.path.name)

    order = {name: number for number, name in enumerate(dict.fromkeys(map(group, items)))}

    def place(item: pytest.Item) -> tuple[int, str]:
        example = item.name.partition("[")[2] if item.path.name in BY_EXAMPLE else ""
        return order[group(item)], example

    items.sort(key=place)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory of the test's own, with the stand-in analyzer, and none of the caller's wishes."""
    monkeypatch.chdir(tmp_path)
    for name in ("OPTLINT_OUTPUT_FORMAT", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    standins.install(monkeypatch, knowledge=False)
    return tmp_path
