"""A baseline: what is known stays out of the report wherever it moves to, and anything more is new."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner, Result

from optlint.cli import main

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"
B = "--baseline=known.json"


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    yield tmp_path


@pytest.fixture
def standin(monkeypatch: pytest.MonkeyPatch) -> None:
    standins.install(monkeypatch, knowledge=False)


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def counts() -> dict[str, int]:
    return {f"{f['path']} {f['code']}": f["count"] for f in json.loads(Path("known.json").read_text())["findings"]}


def found(*arguments: str) -> int:
    result = run(B, "--output-format=concise", *arguments)
    assert result.exit_code in (0, 1), result.output
    return sum(": OPT" in line for line in result.stdout.splitlines())


@pytest.mark.usefixtures("standin")
def test_what_is_known_is_not_shown_wherever_it_moves() -> None:
    write("a.py", "x = 1  # error\ny = 2  # note OPT203\n")
    result = run(B, "--write-baseline")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr == "optlint: known.json: 2 findings (2 new, 0 gone)\n"
    result = run(B)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith("All checks passed! 2 findings of the baseline not shown.\n")
    write("a.py", "# moved\n\ny = 2  # note OPT203\n\nif y:\n    x  =  1  # error\n")
    assert found() == 0 and run(B).stderr == ""
    write("a.py", "z = 1  # error\n")
    assert found() == 1
    assert found("--ignore-baseline") == 1


@pytest.mark.usefixtures("standin")
def test_one_more_of_a_kind_is_new_and_a_run_adds_nothing() -> None:
    write("a.py", "x  # error\nx  # error\n")
    run(B, "--write-baseline")
    before = Path("known.json").read_bytes()
    assert counts() == {"a.py OPT101": 2}
    write("a.py", "x  # error\nx  # error\nx  # error\n")
    write("b.py", "x  # error\n")
    result = run(B, "--output-format=concise")
    assert result.exit_code == 1
    assert [line[:6] for line in result.stdout.splitlines()[:2]] == ["a.py:3", "b.py:1"]
    assert Path("known.json").read_bytes() == before
    assert run(B, "--write-baseline").stderr == "optlint: known.json: 4 findings (2 new, 0 gone)\n"


@pytest.mark.usefixtures("standin")
def test_what_is_gone_is_told_and_can_fail_the_run() -> None:
    write("a.py", "x  # error\nx  # error\ny  # warning\n")
    write("b.py", "x  # error\n")
    run(B, "--write-baseline")
    write("a.py", "x  # error\n")
    Path("b.py").unlink()
    said = "known.json: 3 findings of the baseline not found any more; --write-baseline takes such out"
    result = run(B)
    assert (result.exit_code, result.stderr) == (0, f"optlint: {said}\n")
    assert run(B, "-q").stderr == ""
    result = run(B, "--fail-on-stale")
    assert result.exit_code == 1
    assert result.stderr.splitlines() == [
        "optlint: known.json: a.py: OPT101 in step is gone",
        "optlint: known.json: a.py: OPT101 in step is gone",
        "optlint: known.json: b.py: OPT101 in step is gone",
        f"optlint: {said}",
    ]
    assert run(B, "--fail-on-stale", "--exit-zero").exit_code == 0
    write("optlint.toml", 'fail-on-stale = true\nbaseline = "known.json"\n')
    assert run().exit_code == 1
    assert run("--write-baseline").stderr == "optlint: known.json: 1 finding (0 new, 3 gone)\n"
    assert run().exit_code == 0


@pytest.mark.usefixtures("standin")
def test_what_a_run_did_not_look_at_is_not_gone() -> None:
    write("a.py", "x  # error\n")
    write("b.py", "x  # error\ny  # error OPT203\n")
    run(B, "--write-baseline")
    for some in (["a.py"], ["--select=OPT2"], ["--per-file-ignores=b.py:OPT1"], ["--exclude=b.py"]):
        result = run(B, "--fail-on-stale", *some)
        assert (result.exit_code, result.stderr) == (0, ""), some
    write("a.py", "x  # error\n# crash\n")  # what cannot be read
    assert "baseline" not in run(B, "--fail-on-stale").stderr
    Path("a.py").unlink()
    run(B, "--write-baseline", "--select=OPT2", "b.py")
    assert counts() == {"b.py OPT101": 1, "b.py OPT203": 1}


@pytest.mark.usefixtures("standin")
def test_paths_belong_to_the_file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("src/a.py", "x  # error\n")
    write("optlint.toml", 'baseline = "lint/known.json"\n')
    (tree / "lint").mkdir()
    assert run("--write-baseline").exit_code == 0
    assert '"path": "../src/a.py"' in Path("lint/known.json").read_text(encoding="utf-8")
    assert run().exit_code == 0
    monkeypatch.chdir(tree / "src")
    assert run("a.py").exit_code == run(str(tree / "src")).exit_code == 0
    assert run("-", "--stdin-filename=a.py", stdin="\nx  # error\n").exit_code == 0
    assert run("--isolated").exit_code == 1


@pytest.mark.usefixtures("standin")
def test_notebooks_and_formats() -> None:
    write("a.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": "x  # error"}], "nbformat": 4}))
    run(B, "--write-baseline")
    cells = [{"cell_type": "code", "source": text} for text in ("x = 1", "x  # error", "y  # error")]
    write("a.ipynb", json.dumps({"cells": cells, "nbformat": 4}))
    document = json.loads(run(B, "--output-format=json").stdout)
    assert [finding["cell"] for finding in document["findings"]] == [3] and document["summary"]["errors"] == 1


def test_sarif_says_that_its_results_are_new() -> None:
    write("a.py", (FIXTURES / "founding_rmsprop.py").read_text(encoding="utf-8"))
    run(B, "--write-baseline")
    text = Path("known.json").read_text(encoding="utf-8")
    write("known.json", json.dumps({"version": 1, "findings": json.loads(text)["findings"][1:]}))
    (result,) = json.loads(run(B, "--output-format=sarif").stdout)["runs"][0]["results"]
    assert (result["ruleId"], result["baselineState"]) == ("OPT101", "new")
    assert "baselineState" not in run("--output-format=sarif").stdout


def test_a_known_finding_is_neither_fixed_nor_commented() -> None:
    known = (FIXTURES / "founding_rmsprop_after_first_fix.py").read_text(encoding="utf-8")
    write("a.py", known)
    assert "@@" in run("--diff", "--unsafe-fixes").stdout
    run(B, "--write-baseline")
    result = run(B, "--fix", "--unsafe-fixes")
    assert (result.exit_code, Path("a.py").read_text(encoding="utf-8")) == (0, known)
    assert run(B, "--add-noqa").stderr == "optlint: added comments to 0 lines\n"
    write("b.py", known)
    assert run(B, "--fix", "--unsafe-fixes").exit_code in (0, 1)
    assert Path("a.py").read_text(encoding="utf-8") == known != Path("b.py").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "known.json: the baseline cannot be read: No such file or directory; --write-baseline makes one"),
        ('{\n"version": 1,\n', "known.json:3: the baseline is not valid JSON: Expecting property name"),
        ("\udcff", "known.json: the baseline is not valid JSON"),
        ("[" * 100_000, "known.json: the baseline is not valid JSON"),
        ("[]", "known.json: this is no baseline of optlint: there is no version 1"),
        ('{"version": 2}', "known.json: this is no baseline of optlint: there is no version 1"),
        ('{"version": 1}', "known.json: this is no baseline of optlint: there are no findings"),
        ('{"version": 1, "findings": [3]}', "known.json: finding 1 of the baseline: it has path, code, update, place"),
        (
            '{"version": 1, "findings": [{"path": "a", "code": 1, "update": "", "place": "", "count": 1}]}',
            "known.json: finding 1 of the baseline: path, code, update, place are texts",
        ),
        (
            '{"version": 1, "findings": [{"path": "a", "code": "", "update": "", "place": "", "count": -1}]}',
            "known.json: finding 1 of the baseline: count is a number from 1 on, not -1",
        ),
    ],
)
@pytest.mark.parametrize("writes", [False, True])
def test_a_baseline_that_cannot_be_used_is_one_line(content: str | None, says: str, writes: bool) -> None:
    if content is not None:
        Path("known.json").write_bytes(content.encode("utf-8", "surrogateescape"))
    elif writes:
        return  # that makes it
    result = run(B, *(["--write-baseline"] if writes else []))
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"optlint: {says}")
    assert content is None or Path("known.json").read_bytes() == content.encode("utf-8", "surrogateescape")


def test_what_cannot_be_written_is_one_line() -> None:
    missing = run("--write-baseline")
    assert (missing.exit_code, missing.stderr.count("\n")) == (2, 1)
    assert missing.stderr.startswith(
        "optlint: --write-baseline: there is no baseline to write: name it with --baseline"
    )
    write("a.py", "x = 1\n")
    gone = run("--baseline=gone/known.json", "--write-baseline")
    said = "optlint: gone/known.json: the baseline cannot be written: No such file or directory\n"
    assert (gone.exit_code, gone.stderr) == (2, said)
    assert run(B, "--write-baseline", "--fix").exit_code == 2
