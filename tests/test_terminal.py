"""What people see: frames with several marks, wrapping, colour, links, progress, completion."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from handmade import EVERYTHING, FINDING, HOSTILE, LINE, SPAN, UPDATE, in_cell, report
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from optlint.model import Finding, Report, Span
from optlint.report import render
from optlint.report.page import render as set_page
from optlint.settings import OUTPUT_FORMATS, Settings
from optlint.terminal import Progress, Screen

ROOT = Path(__file__).parents[1]
STATE = Span(2, 5, 2, 11)
SOURCE = ("def step(key):", "    S[key] = 0", *[""] * 11, LINE, "    v = (a +", "         b)  # two")


def shown(finding: Finding, screen: Screen | None = None, **texts: tuple[str, ...]) -> list[str]:
    of = Report(findings=(finding,), texts=texts or {finding.path: SOURCE})
    return render(of, Settings(), screen=screen or Screen(), quiet=True).splitlines()


def test_related_places_are_marked_in_the_same_frame() -> None:
    finding = replace(FINDING, evidence=None, fix=None, related=((STATE, "the state starts here"), (SPAN, "and here")))
    assert shown(finding)[1:-2] == [
        "   |",
        " 2 |     S[key] = 0",
        "   |     ------ the state starts here",
        "...",
        f"14 | {LINE}",
        "   |                                              ^^^^^^^^^^^^^^^^^^^^^^^",
        "   |                                              ----------------------- and here",
    ]


def test_related_places_in_other_cells_have_frames_of_their_own() -> None:
    finding = replace(in_cell(3), evidence=None, related=((Span(1, 1, 1, 2, cell=1), "starts here"),))
    lines = shown(finding, **{"a.ipynb:cell 3": ("", LINE), "a.ipynb:cell 1": ("S = {}",)})
    assert lines[1:-2] == [
        "  |",
        f"2 | {LINE}",
        "  |                                              ^^^^^^^^^^^^^^^^^^^^^^^",
        " --> a.ipynb:cell 1:1:1",
        "  |",
        "1 | S = {}",
        "  | - starts here",
    ]


def test_a_span_of_several_lines_is_marked_on_each() -> None:
    assert shown(replace(FINDING, span=Span(15, 9, 16, 12), evidence=None, fix=None))[1:-2] == [
        "   |",
        "15 |     v = (a +",
        "   |         ^^^^",
        "16 |          b)  # two",
        "   |          ^^",
    ]


def test_of_a_long_span_the_first_line_is_shown() -> None:
    assert shown(replace(FINDING, span=Span(2, 5, 16, 12), evidence=None, fix=None))[1:-2] == [
        "  |",
        "2 |     S[key] = 0",
        "  |     ^^^^^^^^^^…",
    ]


def test_what_running_showed_is_wrapped_between_words() -> None:
    lines = shown(FINDING, Screen(width=50))
    assert lines[4:8] == [
        "   = ran:    step 1 with w = -1, g = 1e-3: S =",
        "             -1.0e-05, sqrt(S) = nan",
        "   = meant:  S' = β₂·S + (1-β₂)·(g + r)²",
        "   = fixed:  np.square(g + reg_term); equals that",
    ]
    label = replace(FINDING, related=((STATE, "a place that takes more words than a narrow terminal has"),))
    assert shown(label, Screen(width=40))[2:6] == [
        " 2 |     S[key] = 0",
        "   |     ------",
        "   | a place that takes more words than",
        "   | a narrow terminal has",
    ]


@settings(deadline=None)  # the first example imports
@given(st.integers(30, 200), st.booleans())
def test_nothing_but_a_header_is_wider_than_the_terminal(columns: int, color: bool) -> None:
    text = render(EVERYTHING, Settings(), screen=Screen(color, columns), quiet=True)
    headers = [line for line in visible(text).splitlines() if re.search(r":\d+:\d+: OPT", line)]
    assert len(headers) == len(EVERYTHING.findings)
    assert all(cell_len(line) <= columns for line in visible(text).splitlines() if line not in headers)


def test_a_mark_is_whole_on_a_narrow_terminal_where_it_fits() -> None:
    _, _, code, marks, *_ = shown(FINDING, Screen(width=40))
    assert code[marks.index("^") : marks.rindex("^") + 1] == LINE[45:68]


def test_equations_are_wrapped() -> None:
    equation = "v' = " + " + ".join(f"a{number}·b" for number in range(20))
    of = Report(updates=(replace(UPDATE, equations=(equation,)),))
    lines = render(of, Settings(show_updates=True), screen=Screen(width=60)).splitlines()
    assert lines[1].startswith("    v' = a0·b + a1·b") and lines[2].startswith("        ")
    assert all(len(line) <= 60 for line in lines)
    assert " ".join(line.strip() for line in lines[1 : lines.index("")]) == equation
    assert equation in render(of, Settings(show_updates=True))


def visible(text: str) -> str:
    return re.sub("\x1b\\[[0-9;]*m|\x1b\\]8;;.*?\x1b\\\\", "", text)


@pytest.mark.parametrize("output_format", OUTPUT_FORMATS)
def test_colour_adds_nothing_that_is_seen(output_format: str) -> None:
    wanted = Settings(output_format=output_format)
    plain, painted = (render(EVERYTHING, wanted, screen=Screen(color)) for color in (False, True))
    assert visible(painted) == plain


@pytest.mark.parametrize("text", ["x = '\x1b[2J'", "'''", "\\", "x = \x0b1", "é\u0301漢\t# \x07", "\ud800 = 1"])
def test_any_line_can_be_highlighted(text: str) -> None:
    of = report(replace(FINDING, span=Span(14, 1, 14, 2)), line=text)
    assert visible(render(of, Settings(), screen=Screen(color=True))) == render(of, Settings())


def test_hostile_text_reaches_no_terminal() -> None:
    finding = replace(FINDING, message=HOSTILE, path=HOSTILE, related=((SPAN, HOSTILE),))
    of = Report(findings=(finding,), texts={HOSTILE: ("",) * 13 + (LINE,)})
    for screen in (Screen(), Screen(color=True), Screen(color=True, width=60)):
        assert not re.search("[\x00-\x09\x0b-\x1f\u202e]", visible(render(of, Settings(), screen=screen)))


@pytest.mark.parametrize("output_format", ["full", "concise", "grouped"])
def test_codes_are_links_to_their_pages(output_format: str) -> None:
    wanted = Settings(output_format=output_format)
    text = render(report(FINDING), wanted, screen=Screen(color=True, links=True))
    uri, code = re.findall("\x1b\\]8;;([^\x1b]+)\x1b\\\\(.*?)\x1b\\]8;;\x1b\\\\", text)[0]
    assert uri.startswith("file:///") and uri.endswith("/mistakes/OPT101-regularization-outside-square.md")
    assert visible(code) == "OPT101"
    assert "]8;;" not in render(report(FINDING), wanted, screen=Screen(color=True))
    unknown = render(report(replace(FINDING, code="OPT999")), wanted, screen=Screen(color=True, links=True))
    assert "]8;;" not in unknown


def test_a_page_is_set_for_the_terminal() -> None:
    text = set_page("# OPT1: a rule\n\n```python bad\nx = 1\n```\n" + "many words " * 30, Screen(True, 60))
    assert "\x1b[" in text and "```" not in text
    assert all(cell_len(line) <= 60 for line in visible(text).splitlines())


# In a real terminal

needs_terminals = pytest.mark.skipif(os.name == "nt", reason="no pseudo-terminals")


def in_terminal(*arguments: str, stderr_only: bool = False, **environment: str) -> str:
    """What the command writes to a terminal; with ``stderr_only``, standard output is a pipe."""
    import pty

    ours, theirs = pty.openpty()
    clean = {name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "FORCE_COLOR", "COLUMNS"}}
    child = subprocess.Popen(
        [sys.executable, "-m", "optlint", "--isolated", *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL if stderr_only else theirs,
        stderr=theirs,
        env={**clean, "TERM": "xterm", **environment},
    )
    os.close(theirs)
    text = all_of(ours)
    child.wait(timeout=60)
    return text.replace("\r\n", "\n")


def all_of(terminal: int) -> str:
    """Everything that was written to a terminal until its other end was closed; closes this one."""
    chunks = []
    while not chunks or chunks[-1]:
        try:
            chunks.append(os.read(terminal, 65536))
        except OSError:
            break
    os.close(terminal)
    return b"".join(chunks).decode()


@needs_terminals
def test_on_a_terminal_there_are_colour_links_and_wrapping() -> None:
    text = in_terminal("fixtures/founding_rmsprop.py", COLUMNS="60")
    assert "\x1b[31m" in text and "\x1b]8;;file://" in text
    assert "\n             " in text
    assert "\x1b]8;;" not in in_terminal("fixtures/founding_rmsprop.py", NO_COLOR="1")
    plain = in_terminal("-q", "fixtures/founding_rmsprop.py", TERM="dumb")
    assert "\x1b" not in plain and "OPT101" in plain
    assert "\x1b[1m" in in_terminal("--explain", "OPT101") and "```" in in_terminal("--explain", "OPT101", NO_COLOR="1")


@needs_terminals
def test_progress_appears_after_a_while_and_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    import pty

    ours, theirs = pty.openpty()
    with os.fdopen(theirs, "w", encoding="utf-8") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        monkeypatch.setenv("TERM", "xterm")
        with Progress(delay=10) as progress:
            progress("fast.py")
        with Progress(wanted=False, delay=0) as progress:
            progress("quiet.py")
        with Progress(delay=0.01, every=0.01) as progress:
            progress("first.py")
            progress("slow\x1b[2J.py")
            time.sleep(0.2)
    text = all_of(ours)
    assert "optlint: file 2: slow␛[2J.py" in text
    assert "fast.py" not in text and "quiet.py" not in text
    assert text.endswith("\r\x1b[2K")


def test_progress_is_quiet_where_nobody_looks(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress(delay=0, every=0.01) as progress:
        progress("a.py")
        time.sleep(0.05)
    assert capfd.readouterr().err == ""


# Completion


def completed(shell: str, script: str, path: Path) -> str:
    """What a shell prints that runs the script, with ``optlint`` on its PATH."""
    command = path / "optlint"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m optlint "$@"\n')
    command.chmod(0o755)
    result = subprocess.run(
        [shell, *(["--no-config"] if shell == "fish" else ["-f"] if shell == "zsh" else ["--norc"]), "-c", script],
        cwd=ROOT,
        env={**os.environ, "PATH": f"{path}:{os.environ['PATH']}", "HOME": str(path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def needs(shell: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(shutil.which(shell) is None, reason=f"{shell} is not installed")


@needs("bash")
def test_completion_in_bash(tmp_path: Path) -> None:
    script = """
        eval "$(_OPTLINT_COMPLETE=bash_source optlint)"
        COMP_WORDS=(optlint --output-format s) COMP_CWORD=2
        $(complete -p optlint | sed 's/.*-F \\([^ ]*\\).*/\\1/') optlint s --output-format
        echo "${COMPREPLY[@]}"
    """
    assert completed("bash", script, tmp_path).split() == ["sarif"]


@needs("fish")
def test_completion_in_fish(tmp_path: Path) -> None:
    script = "_OPTLINT_COMPLETE=fish_source optlint | source; complete -C 'optlint --output-format s'"
    assert completed("fish", script, tmp_path).split() == ["sarif"]


@needs("zsh")
def test_completion_in_zsh(tmp_path: Path) -> None:
    script = """
        autoload -Uz compinit && compinit -u -d "$HOME/dump"
        eval "$(_OPTLINT_COMPLETE=zsh_source optlint)"
        print ${_comps[optlint]}
        COMP_WORDS="optlint --output-format s" COMP_CWORD=2 _OPTLINT_COMPLETE=zsh_complete optlint
    """
    function, kind, value, *_ = completed("zsh", script, tmp_path).split()
    assert (function, kind, value) == ("_optlint_completion", "plain", "sarif")


@needs("bash")
def test_completion_knows_the_rules(tmp_path: Path) -> None:
    script = "COMP_WORDS='optlint --explain OPT10' COMP_CWORD=2 _OPTLINT_COMPLETE=bash_complete optlint"
    assert "plain,OPT101" in completed("bash", script, tmp_path).split()
