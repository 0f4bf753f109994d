from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner, Result

import optlint
from optlint.cli import main

ROOT = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    standins.install(monkeypatch)
    return tmp_path


def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def process(
    *arguments: str, code: str | None = None, stdin: bytes = b"", **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """The command in a process of its own, over the stand-ins; or other Python code."""
    program = [str(ROOT / "tests" / "standins.py")] if code is None else ["-c", code]
    return subprocess.run(
        [sys.executable, *program, *arguments],
        input=stdin,
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        timeout=60,
    )


def write(**texts: str) -> None:
    for name, text in texts.items():
        Path(f"{name}.py").write_text(text, encoding="utf-8")


def test_clean_run() -> None:
    write(a="x = 1\n")
    result = run()
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == "All checks passed!\n0 updates read, 0 unsupported.\n"


def test_findings_in_the_order_of_files_and_lines() -> None:
    write(b="x  # error\n", a="# warning\n# unsupported\n  # error\n")
    result = run("--output-format", "concise")
    assert result.exit_code == 1
    assert result.stdout == (
        "a.py:1:1: OPT101 this is warning\n"
        "a.py:3:3: OPT101 this is error\n"
        "b.py:1:4: OPT101 this is error\n"
        "Found 2 errors, 1 warning.\n"
        "1 update read, 1 unsupported.\n"
    )


def test_full_is_the_default_and_shows_the_code() -> None:
    write(a="v = x  # error\n")
    assert "1 | v = x  # error\n  |        ^^^^^^^\n" in run().stdout


@pytest.mark.parametrize(
    ("worst", "fail_on", "code"),
    [
        ("error", "error", 1),
        ("warning", "error", 0),
        ("warning", "warning", 1),
        ("note", "warning", 0),
        ("note", "note", 1),
        ("error", "never", 0),
    ],
)
def test_fail_on(worst: str, fail_on: str, code: int) -> None:
    write(a=f"# {worst}\n")
    assert run("--fail-on", fail_on).exit_code == code


def test_exit_zero_hides_findings_but_no_failure() -> None:
    write(a="# error\n")
    assert run("--exit-zero").exit_code == 0
    assert run("--exit-zero", "nowhere.py").exit_code == 2


def test_missing_path_fails_and_the_rest_is_linted() -> None:
    write(a="# error\n")
    result = run("nowhere", "a.py", "--output-format", "concise")
    assert result.exit_code == 2
    assert result.stderr == "optlint: nowhere: No such file or directory\n"
    assert result.stdout.startswith("a.py:1:1: OPT101 ")


def test_a_crash_is_one_problem_of_one_file() -> None:
    write(a="# crash\n", b="# error\n")
    result = run()
    assert result.exit_code == 1
    assert result.stderr == "optlint: a.py: internal error: RecursionError: too deep\n"
    assert "b.py:1:1" in result.stdout


def test_what_cannot_be_decoded_is_one_problem() -> None:
    Path("a.py").write_bytes(b"x = 1\n# \xe9\n")
    result = run()
    assert result.exit_code == 0
    assert result.stderr.startswith("optlint: a.py:2: not valid UTF-8")
    assert result.stdout.startswith("Found no mistakes, but 1 problem.\n")


def test_json_holds_the_problems() -> None:
    write(a="# error\n# note\n", b="# crash\n")
    result = run("--output-format", "json", "a.py", "b.py", "c.py")
    assert (result.exit_code, result.stderr) == (2, "")
    document = json.loads(result.stdout)
    assert document["summary"] | {"errors": 1, "notes": 1, "files": 2, "candidates": 2} == document["summary"]
    assert [(problem["path"], problem["message"]) for problem in document["problems"]] == [
        ("b.py", "internal error: RecursionError: too deep"),
        ("c.py", "No such file or directory"),
    ]


def test_unconfirmed_findings_are_shown_on_demand() -> None:
    write(a="# unconfirmed\n")
    assert run().exit_code == 0
    result = run("--unconfirmed")
    assert result.exit_code == 1 and "[unconfirmed]" in result.stdout


def test_show_updates() -> None:
    write(a="# unsupported\n")
    assert run("--show-updates").stdout.startswith("a.py:1:1: step: unsupported: a while loop\n")


def test_stdin() -> None:
    result = run("-", "--output-format", "concise", stdin="x\r\n# error\r\n")
    assert result.exit_code == 1 and result.stdout.startswith("<stdin>:2:1: OPT101 ")


def test_stdin_filename_is_echoed_and_decides_what_is_read() -> None:
    concise = ("-", "--output-format", "concise", "--stdin-filename")
    assert run(*concise, "./a/../b.py", stdin="# note\n").stdout.startswith("./a/../b.py:1:1: ")
    notebook = json.dumps({"cells": [{"cell_type": "code", "source": "!ls\n# error"}]})
    assert run(*concise, "n.ipynb", stdin=notebook).stdout.startswith("n.ipynb:cell 1:2:1: ")


@pytest.mark.parametrize("named", ["OPT101", "regularization-outside-square"])
def test_explain(named: str) -> None:
    result = run("--explain", named)
    assert (result.exit_code, result.stdout) == (0, "# OPT101\n\nβ₂·S\n")


def test_explain_unknown_rule() -> None:
    result = run("--explain", "missing-epsilo")
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == "optlint: --explain: there is no rule 'missing-epsilo'. Did you mean missing-epsilon?\n"
    assert "Did you mean OPT101" in run("--explain", "opt102").stderr
    assert "optlint --rules lists all." in run("--explain", "E501").stderr


def test_rules_are_a_table() -> None:
    assert run("--rules").stdout == (
        "OPT101  regularization-outside-square  error    the penalty is not squared\n"
        "OPT203  missing-epsilon                warning  nothing guards the division\n"
    )


@pytest.mark.parametrize("wrong", [["--convention", "torch"], ["--fail-on", "always"], ["--fix-all"]])
def test_wrong_options_exit_with_2(wrong: list[str]) -> None:
    assert run(*wrong).exit_code == 2


@pytest.mark.parametrize(
    ("options", "environment", "colored"),
    [
        ([], {}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        (["--color", "never"], {"FORCE_COLOR": "1"}, False),
        ([], {"FORCE_COLOR": "1"}, True),
        ([], {"CLICOLOR_FORCE": "1"}, True),
        ([], {"CLICOLOR_FORCE": "0"}, False),
        ([], {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        ([], {"NO_COLOR": "", "FORCE_COLOR": "1"}, True),
    ],
)
def test_color(options: list[str], environment: dict[str, str], colored: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    write(a="# error\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert ("\x1b[" in run(*options).stdout) == colored


def test_interrupt_exits_with_130() -> None:
    write(a="# interrupt\n")
    assert run().exit_code == 130


@pytest.mark.skipif(os.name == "nt", reason="signals differ")
def test_ctrl_c_exits_with_130_without_a_traceback() -> None:
    os.mkfifo("waits.py")
    with (
        subprocess.Popen(
            [sys.executable, str(ROOT / "tests" / "standins.py"), "waits.py"],
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        ) as child,
        open("waits.py", "wb"),
    ):  # opens once the command reads
        child.send_signal(signal.SIGINT)
        assert child.stderr is not None
        assert (child.stderr.read(), child.wait(timeout=60)) == (b"", 130)


@pytest.mark.parametrize("output_format", ["full", "concise", "json"])
def test_output_is_utf_8_in_every_locale(output_format: str) -> None:
    Path("β.py").write_text("# error 漢\n", encoding="utf-8")
    write(a="x = 'β漢'  # error\n")
    locale = {"LC_ALL": "POSIX", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "PYTHONIOENCODING": ""}
    result = process("--output-format", output_format, stdin="x = 'β漢'  # crash".encode(), **locale)
    assert (result.returncode, result.stderr) == (1, b"")
    assert "a.py" in result.stdout.decode("utf-8")
    if output_format == "full":
        assert "x = 'β漢'" in result.stdout.decode("utf-8")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems take no such name")
@pytest.mark.parametrize("output_format", ["full", "concise", "json"])
def test_a_file_name_that_is_no_text_can_be_printed(tree: Path, output_format: str) -> None:
    Path(os.fsdecode(b"\xff\n.py")).write_text("# error\n# crash\n" if output_format == "json" else "# error\n")
    result = process("--output-format", output_format)
    assert b"Traceback" not in result.stderr
    text = result.stdout.decode("utf-8")
    assert json.loads(text)["problems"] if output_format == "json" else r"\udcff␊.py:1:1: OPT101" in text


@pytest.mark.skipif(os.name == "nt", reason="pipes differ")
def test_a_closed_pipe_is_no_error() -> None:
    write(**{f"a{number}": "# error\n" * 2000 for number in range(10)})
    with subprocess.Popen(
        [sys.executable, str(ROOT / "tests" / "standins.py"), "."],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as child:
        assert child.stdout is not None and child.stderr is not None
        assert child.stdout.readline().startswith(b"a0.py:1:1: OPT101 ")
        child.stdout.close()
        assert (child.stderr.read(), child.wait(timeout=60)) == (b"", 1)


def test_module_and_version() -> None:
    result = process("--version", code="import runpy; runpy.run_module('optlint', run_name='__main__')")
    assert result.stdout.decode().split() == ["optlint", optlint.__version__]


def test_help_names_every_option() -> None:
    shown = run("--help").stdout
    assert all(option in shown for parameter in main.params for option in parameter.opts if option.startswith("-"))


@pytest.mark.parametrize(
    "program",
    [
        pytest.param("import optlint; optlint.__version__", id="the package"),
        pytest.param("import optlint; optlint.lint_source('x = 1')", id="a text without an optimizer"),
        pytest.param("import optlint; assert optlint.lint_paths('.').files == 1", id="a file without an optimizer"),
        pytest.param("import optlint.cli", id="the command"),
        pytest.param(
            "import optlint.cli; optlint.cli.main(['-q'], standalone_mode=False)", id="a run without findings"
        ),
    ],
)
def test_nothing_is_imported_before_it_is_needed(program: str) -> None:
    write(a="x = 1\n")
    late = {
        "libcst",
        "numpy",
        "pathspec",
        "rich",
        "pygments",
        "json",
        "optlint.analysis",
        "optlint.source",
        "optlint.knowledge",
    }
    result = process(code=f"{program}; import sys; print(*sorted(set(sys.modules) & {late}))")
    assert (result.stdout, result.stderr) == (b"\n", b"")


@pytest.mark.parametrize("arguments", [["--nope"], ["--output-format", "sarf"], ["--fail-on"], ["--jobs", "x"]])
def test_a_wrong_command_line_is_told_in_one_line(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("optlint: ")
    assert result.stderr.count("\n") == 1
