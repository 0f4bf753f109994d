"""The command with --fix and its relatives: what is written, what is printed, and the exit code."""

from __future__ import annotations

import codecs
import json
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optlint.cli import main
from optlint.fix.rewrite import rewritten
from optlint.model import Edit, Span

WRONG = """\
import numpy as np


class Adagrad:
    def __init__(self, lr=0.01):
        self.lr = lr
        self.G = 0.0

    def update(self, w, grad):
        self.G += grad ** 2  # gathers
        return w - self.lr * grad / (
            self.G  # not rooted
            + 1e-8
        )
"""
RIGHT = WRONG.replace("self.G  # not rooted", "np.sqrt(self.G)  # not rooted")
CHOICE = RIGHT.replace("Adagrad", "RMSprop").replace("self.G += grad ** 2", "self.G = 0.9 * self.G + grad ** 2")


def run(*arguments: object, text: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, ["--isolated", *map(str, arguments)], input=text, catch_exceptions=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "adagrad.py"
    path.write_text(WRONG)
    return path


def test_fix_writes_the_file_and_reports_what_is_left(file: Path) -> None:
    result = run("--fix", file)
    assert (result.exit_code, file.read_text()) == (0, RIGHT)
    assert result.stdout.endswith("Fixed 1 finding.\n")
    again = run("--fix", file)
    assert (again.exit_code, file.read_text()) == (0, RIGHT)
    assert "Fixed" not in again.output


def test_an_unsafe_fix_has_to_be_asked_for(file: Path) -> None:
    file.write_text(CHOICE)
    result = run("--fix", file)
    assert (result.exit_code, file.read_text()) == (1, CHOICE)
    assert "1 fixable with --fix --unsafe-fixes." in result.stdout
    assert run("--fix", "--unsafe-fixes", file).exit_code == 0
    assert "self.G = 0.9 * self.G + (1 - 0.9) * grad ** 2" in file.read_text()


def test_diff_writes_nothing_and_exits_with_1(file: Path) -> None:
    result = run("--diff", file)
    assert (result.exit_code, file.read_text()) == (1, WRONG)
    assert "-            self.G  # not rooted\n+            np.sqrt(self.G)  # not rooted\n" in result.stdout
    assert result.stderr == "Would fix 1 finding.\n"
    file.write_text(RIGHT)
    assert (run("--diff", file).exit_code, run("--diff", file).output) == (0, "")


@pytest.mark.parametrize("command", [["git", "apply"], ["patch", "-p1", "-s", "-i"]], ids=["git", "patch"])
@pytest.mark.parametrize("end", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("last", [True, False], ids=["newline at the end", "none"])
def test_the_diff_applies(
    tmp_path: Path, command: list[str], end: str, last: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if shutil.which(command[0]) is None:
        pytest.skip(f"{command[0]} is not installed")
    monkeypatch.chdir(tmp_path)
    wrong, right = (t.replace("\n", end) if last else t.replace("\n", end).rstrip() for t in (WRONG, RIGHT))
    Path("package").mkdir()
    Path("package/adagrad.py").write_bytes(wrong.encode())
    Path("fix.patch").write_bytes(run("--diff", ".").stdout_bytes)
    more = ["--binary"] if command[0] == "patch" else []
    subprocess.run([*command, "fix.patch", *more], check=True)
    assert Path("package/adagrad.py").read_bytes() == right.encode()


def test_standard_input_gives_code_on_standard_output() -> None:
    result = run("--fix", "-", text=WRONG)
    assert (result.exit_code, result.stdout) == (0, RIGHT)
    assert "All checks passed!" in result.stderr
    result = run("--fix", "-", text=CHOICE)
    assert (result.exit_code, result.stdout) == (1, CHOICE)
    assert "OPT108" in result.stderr


def test_exit_codes_of_fix_only_and_non_zero(file: Path) -> None:
    result = run("--fix-only", "--exit-non-zero-on-fix", file)
    assert (result.exit_code, result.stdout) == (1, "Fixed 1 finding.\n")
    assert run("--fix-only", "--exit-non-zero-on-fix", file).exit_code == 0
    file.write_text(CHOICE)
    assert (run("--fix-only", file).exit_code, run("--fix-only", file).output) == (0, "")


def test_show_fixes_lists_rules_by_file(file: Path) -> None:
    result = run("--fix", "--show-fixes", file)
    assert result.stdout.endswith(f"Fixed 1 finding.\n- {file}:\n    1 × OPT105 (missing-sqrt)\n")


@pytest.mark.parametrize(
    ("head", "encoding", "end"),
    [
        ("", "utf-8", "\r\n"),
        ("", "utf-8-sig", "\n"),
        ("# -*- coding: latin-1 -*-\n# é\n", "latin-1", "\r\n"),
        ("# π ≈ 3\n", "utf-8", "\r"),
    ],
    ids=["CRLF", "BOM", "latin-1", "CR"],
)
def test_encoding_and_line_ends_stay(tmp_path: Path, head: str, encoding: str, end: str) -> None:
    path = tmp_path / "adagrad.py"
    path.write_bytes((head + WRONG).replace("\n", end).encode(encoding))
    assert run("--fix", path).exit_code == 0
    assert path.read_bytes() == (head + RIGHT).replace("\n", end).encode(encoding)


def test_tabs_stay(tmp_path: Path) -> None:
    path = tmp_path / "adagrad.py"
    path.write_text(WRONG.replace("    ", "\t"))
    run("--fix", path)
    assert path.read_text() == RIGHT.replace("    ", "\t")


def test_the_mode_and_the_link_stay(file: Path, tmp_path: Path) -> None:
    file.chmod(0o750)
    link = tmp_path / "link.py"
    link.symlink_to(file)
    run("--fix", link)
    assert file.read_text() == RIGHT
    assert stat.S_IMODE(file.stat().st_mode) == 0o750
    assert link.is_symlink()


def test_a_file_that_changed_meanwhile_is_left_alone(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from optlint.fix import files

    real = files.mend

    def meanwhile(*arguments: object) -> object:
        made = real(*arguments)  # type: ignore[arg-type]
        file.write_text(WRONG + "\n# somebody's work\n")
        return made

    monkeypatch.setattr(files, "mend", meanwhile)
    result = run("--fix", file)
    assert result.exit_code == 2
    assert "changed on disk" in result.stderr
    assert file.read_text().endswith("# somebody's work\n")


@pytest.mark.parametrize("listed", [True, False], ids=["lines", "one string"])
@pytest.mark.parametrize("indent", [1, None], ids=["indented", "compact"])
def test_a_notebook_stays_as_it_is_but_for_the_edited_lines(tmp_path: Path, listed: bool, indent: int | None) -> None:
    source = "%matplotlib inline\n" + WRONG.replace("grad ** 2  # gathers", "grad ** 2  # sammelt für später")
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Adagrad ß\n"]},
        {
            "cell_type": "code",
            "execution_count": 3,
            "metadata": {"z": 1.50, "a": None},
            "outputs": [{"name": "stdout", "text": ['"source": ["x"]\n']}],
            "source": source.splitlines(keepends=True) if listed else source,
        },
    ]
    book = {"cells": cells, "metadata": {"language_info": {"name": "python"}}, "nbformat": 4, "nbformat_minor": 5}
    text = json.dumps(book, indent=indent, ensure_ascii=False) + "\n"
    path = tmp_path / "adagrad.ipynb"
    path.write_text(text, encoding="utf-8")
    assert run("--fix", path).exit_code == 0
    assert path.read_text(encoding="utf-8") == text.replace("self.G  # not rooted", "np.sqrt(self.G)  # not rooted")


def test_a_new_line_in_a_notebook_is_a_new_string() -> None:
    text = '{"cells": [{"cell_type": "code", "source": ["a = 1\\n",\n  "b = 2"]}]}'
    edit = Edit(Span(1, 6, 1, 6, cell=1), "\nc = 3")
    made = rewritten("n.ipynb", text.encode(), [edit]).decode()
    assert made == '{"cells": [{"cell_type": "code", "source": ["a = 1\\n",\n  "c = 3\\n",\n  "b = 2"]}]}'


def test_a_byte_order_mark_before_a_cookie_stays() -> None:
    data = codecs.BOM_UTF8 + b"# coding: utf-8\nx = 1\n"
    made = rewritten("x.py", data, [Edit(Span(2, 5, 2, 6), "2")])
    assert made == codecs.BOM_UTF8 + b"# coding: utf-8\nx = 2\n"
