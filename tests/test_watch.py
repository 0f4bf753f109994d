"""``--watch``: one report after another, as files change."""

from __future__ import annotations

import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WRONG, RIGHT = (ROOT / "fixtures" / name for name in ("founding_rmsprop.py", "founding_rmsprop_correct.py"))
LATE = 60.0


class Watching:
    """The command in a process of its own, and its output line by line."""

    def __init__(self, *arguments: str) -> None:
        command = [sys.executable, "-m", "optlint", "--isolated", "--output-format=concise", "--watch", *arguments]
        self.process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            for line in output:
                self._lines.put(line)

    def report(self) -> list[str]:
        """The next report."""
        lines: list[str] = []
        while not lines or "waiting for changes" not in lines[-1]:
            lines.append(self._lines.get(timeout=LATE))
        return lines[:-1]

    def interrupted(self) -> int:
        """The exit code after Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(timeout=LATE)
        self._reader.join()
        return code


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    pytest.importorskip("watchfiles")
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
@pytest.mark.parametrize("named", [".", "a.py"])
def test_a_change_is_linted(project: Path, named: str) -> None:
    shutil.copy2(RIGHT, project / "a.py")
    watching = Watching(named)
    try:
        assert watching.report()[0] == "All checks passed!\n"
        (project / "notes.txt").write_text("this is no Python")
        shutil.copy2(WRONG, project / "new")
        os.replace(project / "new", project / "a.py")  # as editors save
        assert watching.report()[0].startswith("a.py:24:60: OPT101")
        (project / "a.py").write_text("x = 1\n")
        assert watching.report()[0] == "All checks passed!\n"
    finally:
        assert watching.interrupted() == 130


@pytest.mark.parametrize(("path", "message"), [("-", "standard input."), ("gone", "gone: there is no such file")])
def test_what_cannot_be_watched(path: str, message: str) -> None:
    command = [sys.executable, "-m", "optlint", "--watch", path]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, input="")
    assert result.returncode == 2 and f"--watch cannot watch {message}" in result.stderr


def test_without_watchfiles_one_line_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "watchfiles.py").write_text("raise ImportError")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), str(ROOT)])}
    command = [sys.executable, "-m", "optlint", "--watch"]
    result = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert result.returncode == 2
    assert "--watch needs watchfiles: pip install 'optlint[watch]'" in result.stderr
