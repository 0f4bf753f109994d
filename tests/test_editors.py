"""The setups of docs/editors.md, in the editors themselves where they are installed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DOCUMENT = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
WRONG = ROOT / "fixtures" / "founding_rmsprop.py"
PLACES = [(24, 60, "OPT101"), (27, 49, "OPT201"), (28, 49, "OPT201")]


def setups(language: str, server: bool = False) -> list[str]:
    """The code blocks of the document in a language: those for the language server, or the others."""
    found = re.findall(rf"^(<!-- server -->\n)?```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)
    return [block for mark, block in found if bool(mark) == server]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a wrong file, a notebook and one that is no Python, and ``optlint`` on the PATH."""
    commands = tmp_path / "bin"
    commands.mkdir()
    for name, module in (("optlint", "optlint"), ("optlint-server", "optlint.server")):
        command = commands / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        command.chmod(0o755)
    monkeypatch.setenv("PATH", str(commands), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "project"
    folder.mkdir()
    shutil.copy2(WRONG, folder / "wrong.py")
    cell = {"cell_type": "code", "source": WRONG.read_text(encoding="utf-8")}
    (folder / "wrong.ipynb").write_text(json.dumps({"cells": [{"cell_type": "markdown", "source": ""}, cell]}))
    (folder / "broken.py").write_bytes(b"x = 1\n# optimizer: v = beta * v + g ** 2 \xe9\n")
    monkeypatch.chdir(folder)
    return folder


def needs(program: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@needs("vim")
def test_make_in_vim_fills_the_quickfix_list(project: Path) -> None:
    (setup,) = setups("vim")
    compilers = project.parent / ".vim" / "after" / "compiler"
    compilers.mkdir(parents=True)
    (compilers / "optlint.vim").write_text(setup)
    listing = project.parent / "list.json"
    script = project.parent / "script.vim"
    script.write_text(
        f"set nocompatible rtp+={compilers.parent}\ncompiler optlint\nsilent make!\n"
        "let found = map(getqflist(), {_, q -> [bufname(q.bufnr), q.nr, q.lnum, q.col, q.text]})\n"
        f"call writefile([json_encode(found)], '{listing}')\nqall!\n"
    )
    subprocess.run(
        ["vim", "-u", "NONE", "-i", "NONE", "-n", "-N", "-es", "-S", str(script)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
    )
    found = json.loads(listing.read_text())
    problems = [entry for entry in found if entry[0] == "broken.py"]
    assert [(entry[2], entry[4][:15]) for entry in problems] == [(2, "not valid UTF-8")]
    for name, cell in (("wrong.py", -1), ("wrong.ipynb", 2)):
        assert [(e[1], e[2], e[3], e[4][:6]) for e in found if e[0] == name] == [(cell, *place) for place in PLACES]
    assert len(found) == 1 + 2 * len(PLACES)


@needs("emacs")
@pytest.mark.parametrize("number", [0, 1])
def test_flymake_in_emacs_shows_the_findings(project: Path, number: int) -> None:
    script = project.parent / "script.el"
    script.write_text(setups("elisp")[number] + SHOWN_BY_FLYMAKE)
    assert found_in_emacs("--quick", script) == PLACES


SHOWN_BY_FLYMAKE = """
(find-file "wrong.py")
(flymake-start)  ; a batch has no command loop that would start it
(let ((patience 300))
  (while (and (> patience 0) (null (flymake-diagnostics)))
    (accept-process-output nil 0.1)
    (setq patience (1- patience))))
(dolist (each (flymake-diagnostics))
  (goto-char (flymake-diagnostic-beg each))
  (princ (format "%d %d %s\n" (line-number-at-pos) (1+ (current-column)) (flymake-diagnostic-text each))))
"""


def found_in_emacs(option: str, script: Path) -> list[tuple[int, int, str]]:
    command = ["emacs", option, "--batch", "--load", str(script)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    lines = re.findall(r"^(\d+) (\d+) .*?(OPT\d+)", result.stdout, re.MULTILINE)
    return sorted((int(line), int(column), code) for line, column, code in lines)


def has_eglot() -> bool:
    if shutil.which("emacs") is None:
        return False
    command = ["emacs", "-q", "--batch", "--eval", "(progn (package-initialize) (require 'eglot))"]
    return subprocess.run(command, capture_output=True, timeout=60).returncode == 0


def test_eglot_in_emacs_shows_the_findings(project: Path) -> None:
    pytest.importorskip("pygls")
    if not has_eglot():
        pytest.skip("Eglot is not installed")
    (setup,) = setups("elisp", server=True)
    script = project.parent / "script.el"
    connected = """
(find-file "wrong.py")
(run-hooks 'post-command-hook)  ; a batch has no command loop
"""
    script.write_text("(package-initialize)\n(require 'eglot)\n" + setup + connected + SHOWN_BY_FLYMAKE)
    assert found_in_emacs("-q", script) == PLACES


@needs("vim")
def test_ale_in_vim_shows_the_findings(project: Path) -> None:
    pytest.importorskip("pygls")
    ale = Path("/usr/share/vim-ale")
    if not ale.is_dir():
        pytest.skip("ALE is not installed")
    (setup,) = setups("vim", server=True)
    listing, script = project.parent / "list.json", project.parent / "script.vim"
    script.write_text(
        f"set nocompatible rtp+={ale}\nfiletype plugin on\nruntime plugin/ale.vim\n{setup}\n"
        "edit wrong.py\nset filetype=python\ncall ale#Queue(0)\nlet patience = 300\n"
        "while patience && empty(getloclist(0))\n  sleep 100m\n  let patience -= 1\nendwhile\n"
        f"call writefile([json_encode(map(getloclist(0), {{_, q -> [q.lnum, q.col, q.text]}}))], '{listing}')\nqall!\n"
    )
    command = ["vim", "-u", "NONE", "-i", "NONE", "-n", "-N", "-es", "-S", str(script)]
    subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
    found = json.loads(listing.read_text())
    assert [(line, column, text[:6]) for line, column, text in found] == PLACES


def concise(*arguments: str) -> list[str]:
    command = [sys.executable, "-m", "optlint", "--output-format=concise", *arguments]
    result = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", timeout=60)
    assert result.returncode == 1, result.stderr
    return result.stdout.splitlines()


def matched_in_python(pattern: str, lines: list[str]) -> list[list[str]]:
    return [list(match.groups()) for line in lines if (match := re.search(pattern, line))]


def matched_in_javascript(pattern: str, lines: list[str]) -> list[list[str]]:
    script = """
        const [pattern, lines] = JSON.parse(require("fs").readFileSync(0, "utf8"));
        const found = lines.map(line => new RegExp(pattern).exec(line)).filter(match => match);
        console.log(JSON.stringify(found.map(match => match.slice(1))));
    """
    given = json.dumps([pattern, lines])
    result = subprocess.run(["node", "-e", script], input=given, capture_output=True, text=True, timeout=60)
    return [[str(part) for part in match] for match in json.loads(result.stdout)]


@pytest.mark.parametrize("language", ["python", pytest.param("javascript", marks=needs("node"))])
def test_the_problem_matcher_of_visual_studio_code_reads_the_lines(project: Path, language: str) -> None:
    (setup,) = setups("json")
    (task,) = json.loads(setup)["tasks"]
    pattern = task["problemMatcher"]["pattern"]
    lines = concise(*task["args"], "wrong.py", "wrong.ipynb")
    matched = {"python": matched_in_python, "javascript": matched_in_javascript}[language](pattern["regexp"], lines)
    parts = ("file", "line", "column", "code")
    found = [tuple(match[pattern[part] - 1] for part in parts) for match in matched]
    expected = [(str(line), str(column), code) for line, column, code in PLACES]
    assert found[:3] == [("wrong.py", *place) for place in expected]
    assert found[3:] == [("wrong.ipynb:cell 2", *place) for place in expected]
    assert "regularization is added outside the square" in matched[0][pattern["message"] - 1]
