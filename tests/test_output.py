"""Where a report goes and how much of it: the command's options about output."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner, Result

from optlint import atomic
from optlint.cli import main


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE", "OPTLINT_OUTPUT_FILE"):
        monkeypatch.delenv(name, raising=False)
    standins.install(monkeypatch)
    (tmp_path / "a.py").write_text("# error\n")
    return tmp_path


def run(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(main, arguments, env=environment)


def test_output_file() -> None:
    shown = run("--output-format", "json")
    result = run("--output-format", "json", "--output-file", "report.json")
    assert (result.exit_code, result.output) == (1, "")
    assert Path("report.json").read_text(encoding="utf-8") == shown.stdout
    assert run("--color", "auto", OPTLINT_OUTPUT_FILE="r.txt", FORCE_COLOR="1").output == ""
    assert Path("r.txt").read_text(encoding="utf-8").startswith("a.py:1:1: OPT101 error")


def test_problems_are_on_the_terminal_where_the_report_goes_to_a_file() -> None:
    Path("b.py").write_text("# crash\n")
    result = run("--output-format", "sarif", "-o", "report.sarif")
    assert (result.stdout, result.stderr) == ("", "optlint: b.py: internal error: RecursionError: too deep\n")
    assert "too deep" in Path("report.sarif").read_text()


@pytest.mark.parametrize("target", ["nowhere/report.json", ".", "a.py/report", ""])
def test_an_output_file_that_cannot_be_written(target: str) -> None:
    result = run("--output-file", target)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith(f"optlint: --output-file: {target or repr(target)} cannot be written: ")
    assert result.stderr.count("\n") == 1
    assert sorted(os.listdir()) == ["a.py"]


def test_a_file_is_replaced_as_a_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    Path("report").write_bytes(b"old")
    Path("report").chmod(0o640)
    Path("link").symlink_to("report")
    atomic.write("link", b"new")
    assert (Path("report").read_bytes(), Path("link").is_symlink()) == (b"new", True)
    assert stat.S_IMODE(Path("report").stat().st_mode) == 0o640

    def fail(*_: object) -> None:
        raise OSError("no")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="no"):
        atomic.write("report", b"half")
    assert Path("report").read_bytes() == b"new"
    assert sorted(os.listdir()) == ["a.py", "link", "report"]


@pytest.mark.skipif(os.name == "nt", reason="devices have other names")
def test_a_device_is_written_to() -> None:
    assert run("-o", os.devnull).exit_code == 1
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)


def test_quiet_prints_findings_and_failures() -> None:
    Path("b.py").write_text("# crash\n")
    result = run("-q", "--output-format", "concise", "a.py", "b.py", "gone.py")
    assert result.stdout == "a.py:1:1: OPT101 this is error\n"
    assert result.stderr == "optlint: gone.py: No such file or directory\n"
    Path("a.py").write_text("x = 1\n")
    assert run("-q", "a.py").output == ""


@pytest.mark.parametrize("output_format", ["full", "json", "github"])
def test_silent_prints_nothing(output_format: str) -> None:
    result = run("--silent", "--output-format", output_format, "a.py", "gone.py")
    assert (result.exit_code, result.output) == (2, "")


def test_silent_still_writes_the_output_file() -> None:
    assert run("-s", "-o", "report").output == ""
    assert "OPT101" in Path("report").read_text()


def test_verbose_tells_what_was_read_and_where_an_error_arose() -> None:
    Path("b.py").write_text("# crash\n")
    plain, verbose = run(), run("-v")
    assert verbose.stdout == plain.stdout
    assert "Traceback" not in plain.stderr
    assert "Traceback" in verbose.stderr and "raise RecursionError" in verbose.stderr
    assert verbose.stderr.endswith(
        "optlint: 2 files read, 1 place that could hold an optimizer, 0 updates, 1 finding\n"
    )


def test_statistics() -> None:
    Path("b.py").write_text("# error\n# note\n")
    assert run("--statistics").stdout.startswith("3  OPT101  regularization-outside-square\nFound 2 errors, 1 note.\n")
    assert json.loads(run("--statistics", "--output-format", "json").stdout)[0]["count"] == 3
    assert run("--statistics", "-q").stdout == "3  OPT101  regularization-outside-square\n"


def test_statistics_need_a_format_that_has_them() -> None:
    result = run("--statistics", "--output-format", "sarif")
    assert result.exit_code == 2
    assert (
        "--statistics goes with the formats concise, full, grouped, json, json-lines, not with sarif" in result.stderr
    )
