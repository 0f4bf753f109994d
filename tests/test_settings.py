"""Settings: where they come from, which of them wins, what is wrong with them, and what they do."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import standins
from click.testing import CliRunner, Result

from optlint import Settings, lint_paths, lint_source, toml
from optlint.cli import main
from optlint.globs import Glob, based, globs
from optlint.knowledge import mistakes
from optlint.selection import Chosen, mentioned
from optlint.settings import ConfigError, Selection, options

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "scripts"


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("OPTLINT_OUTPUT_FORMAT", "NO_COLOR", "FORCE_COLOR", "CLICOLOR_FORCE"):
        monkeypatch.delenv(name, raising=False)
    standins.install(monkeypatch, knowledge=False)
    return tmp_path


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def found(*arguments: str) -> list[str]:
    """The findings as ``path CODE``, in the order printed."""
    result = run(*arguments, "--output-format", "concise")
    assert result.exit_code in (0, 1), result.output
    return [f"{m[1]} {m[2]}" for m in re.finditer(r"^(.+?):\d+:\d+: (\w+) ", result.stdout, re.MULTILINE)]


def refused(*arguments: str) -> str:
    """The one line that a run prints which cannot start."""
    result = run(*arguments)
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    return result.stderr.strip()


# --- which rules


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        pytest.param({}, "101 102 203 301", id="all"),
        pytest.param({"select": ["ALL"]}, "101 102 203 301", id="all by name"),
        pytest.param({"select": []}, "", id="none"),
        pytest.param({"select": ["OPT1"]}, "101 102", id="a prefix"),
        pytest.param({"select": ["OPT"]}, "101 102 203 301", id="the letters alone"),
        pytest.param({"select": ["missing-epsilon", "opt301"]}, "203 301", id="a name, a code in small letters"),
        pytest.param({"ignore": ["OPT1"]}, "203 301", id="ignored"),
        pytest.param({"select": ["OPT1"], "ignore": ["OPT101"]}, "102", id="a rule of the selected ones"),
        pytest.param({"select": ["OPT101"], "ignore": ["OPT1"]}, "101", id="the more specific mention wins"),
        pytest.param({"select": ["OPT101"], "ignore": ["OPT101"]}, "", id="of equals the one that ignores"),
        pytest.param({"select": ["OPT1"], "extend_select": ["OPT203"]}, "101 102 203", id="more"),
        pytest.param({"ignore": ["OPT1"], "extend_ignore": ["OPT2"]}, "301", id="fewer"),
        pytest.param(
            {"beneath": (Selection(("OPT1",), ignore=("OPT101",)),), "select": ["OPT101"]}, "101", id="select anew"
        ),
        pytest.param(
            {"beneath": (Selection(("OPT1",), ignore=("OPT101",)),), "extend_select": ["OPT203"]},
            "102 203",
            id="upon what lies beneath",
        ),
        pytest.param(
            {
                "beneath": (
                    Selection(
                        ("OPT101", "OPT203"),
                    ),
                ),
                "ignore": ["OPT1"],
            },
            "203",
            id="ignore beneath",
        ),
    ],
)
def test_selection(settings: dict[str, object], expected: str) -> None:
    of_interest = {"OPT101", "OPT102", "OPT203", "OPT301"}
    chosen = Chosen(Settings(**settings), mistakes()).codes & of_interest  # type: ignore[arg-type]
    assert sorted(chosen) == [f"OPT{number}" for number in expected.split()]


def test_a_prefix_keeps_letters_and_digits_apart() -> None:
    assert mentioned("OPT30", mistakes()) < mentioned("OPT3", mistakes())
    for wrong in ("O", "OP", "OPTX", "OPT9999", "301", "epsilon", ""):
        with pytest.raises(ValueError, match="there is no rule"):
            mentioned(wrong, mistakes())


def test_selection_decides_what_is_shown() -> None:
    write("a.py", "# error OPT101\n# warning OPT203\n# error OPT301\n")
    assert found() == ["a.py OPT101", "a.py OPT203", "a.py OPT301"]
    assert found("--select", "OPT1,missing-epsilon") == ["a.py OPT101", "a.py OPT203"]
    assert found("--select", "OPT1", "--select", "OPT3") == ["a.py OPT101", "a.py OPT301"]
    assert found("--ignore", "OPT1", "--extend-ignore", "OPT3") == ["a.py OPT203"]
    assert found("--select", "OPT1", "--extend-select", "OPT2") == ["a.py OPT101", "a.py OPT203"]
    assert run("--ignore", "ALL").exit_code == 0


def test_per_file_ignores() -> None:
    for name in ("src/a.py", "tests/a.py", "tests/deep/b.py", "c_test.py"):
        write(name, "# error OPT101\n# error OPT203\n")
    write("optlint.toml", '[per-file-ignores]\n"tests/*" = ["OPT1"]\n"*_test.py" = ["ALL"]\n"!src/**" = ["OPT203"]\n')
    assert found() == ["src/a.py OPT101", "src/a.py OPT203"]
    assert len(found("--per-file-ignores", "src:OPT101,src:OPT203")) == 6  # instead of the file's
    assert found("--extend-per-file-ignores", "src/a.py:OPT101") == ["src/a.py OPT203"]
    assert found("src/a.py", "tests/a.py") == ["src/a.py OPT101", "src/a.py OPT203"]


def test_severities_are_changed() -> None:
    write("a.py", "# error OPT101\n# note OPT205\n# error OPT301\n# error OPT302\n")
    write("optlint.toml", 'severity = { OPT205 = "warning", OPT3 = "note", OPT302 = "warning" }\n')
    report = lint_paths(["a.py"])
    assert [f.severity for f in report.findings] == ["error", "warning", "note", "warning"]
    report = json.loads(run("--severity", "opt101=note,ALL=warning", "--output-format", "json").stdout)
    assert [f["severity"] for f in report["findings"]] == ["note", "warning", "note", "warning"]
    assert run("--severity", "OPT=note", "--severity", "OPT205=note,OPT302=note").exit_code == 0


def test_a_page_that_informs_cannot_be_turned_on(monkeypatch: pytest.MonkeyPatch) -> None:
    page = standins.Page("OPT101", "regularization-outside-square", "note", "", "", off="it is a matter of taste")
    standins.install(monkeypatch, pages=(page, standins.PAGES[1]))
    write("a.py", "# error OPT101\n# error OPT203\n")
    result = run("--select", "OPT101,OPT2", "--output-format", "concise")
    assert result.stderr == "optlint: OPT101 is documentation and is not looked for: it is a matter of taste\n"
    assert "OPT101" not in result.stdout and "OPT203" in result.stdout
    assert run("--select", "OPT").stderr == run("--ignore", "OPT101").stderr == ""


# --- where settings come from


def test_the_nearest_file_counts_alone() -> None:
    for name in ("a.py", "one/a.py", "one/deep/a.py", "two/a.py"):
        write(name, "# error OPT101\n# error OPT203\n")
    write("pyproject.toml", '[tool.optlint]\nignore = ["OPT101"]\n')
    write("one/optlint.toml", 'ignore = ["OPT203"]\n')
    write("two/pyproject.toml", '[project]\nname = "optlint-user"\n')  # no section: does not count
    expected = ["a.py OPT203", "one/a.py OPT101", "one/deep/a.py OPT101", "two/a.py OPT203"]
    assert found() == expected
    assert found("two/a.py", "one/deep", "a.py") == [expected[3], expected[2], expected[0]]
    assert [f.code for f in lint_paths(["one/deep/a.py"]).findings] == ["OPT101"]


def test_which_file_of_a_directory_counts() -> None:
    write("a.py", "# error OPT101\n# error OPT203\n# error OPT301\n")
    write("pyproject.toml", '[tool.optlint]\nselect = ["OPT101"]\n')
    assert found() == ["a.py OPT101"]
    write("optlint.toml", 'select = ["OPT203"]\n')
    assert found() == ["a.py OPT203"]
    write(".optlint.toml", 'select = ["OPT301"]\n')
    assert found() == ["a.py OPT301"]
    assert len(found("--isolated")) == 3


def test_the_command_line_wins() -> None:
    write("a.py", "# error OPT101\n# error OPT203\n")
    write("optlint.toml", 'select = ["OPT1"]\nfail-on = "never"\n')
    assert run().exit_code == 0
    assert run("--fail-on", "error").exit_code == 1
    assert found("--select", "OPT2") == ["a.py OPT203"]
    assert found("--config", 'select = ["OPT2"]') == ["a.py OPT203"]
    assert found("--config", 'select = ["OPT2"]', "--select", "OPT101") == ["a.py OPT101"]
    assert found("--config", "select = []", "--config", 'extend-select = ["OPT203"]') == ["a.py OPT203"]


def test_a_file_that_stands_for_all_others() -> None:
    write("src/a.py", "# error OPT101\n# error OPT203\n")
    write("src/optlint.toml", 'ignore = ["OPT1"]\n')
    write("ci/strict.toml", 'ignore = ["OPT2"]\n')
    assert found("--config", "ci/strict.toml") == ["src/a.py OPT101"]
    assert "--isolated reads no configuration file" in refused("--config", "ci/strict.toml", "--isolated")
    assert "there can be one file" in refused("--config", "ci/strict.toml", "--config", "src/optlint.toml")
    assert "there is no file 'strict.toml'" in refused("--config", "strict.toml")


def test_extend_is_explicit_and_paths_stay_where_they_are() -> None:
    for name in ("app/a.py", "app/gen/b.py", "app/old/c.py"):
        write(name, "# error OPT101\n# error OPT203\n")
    write("base.toml", 'ignore = ["OPT101"]\nextend-exclude = ["app/gen"]\nseverity = { OPT203 = "note" }\n')
    write("app/optlint.toml", 'extend = "../base.toml"\nextend-exclude = ["old"]\nseverity = { OPT101 = "warning" }\n')
    assert found() == ["app/a.py OPT203"]
    settings = toml.loads(run("--show-settings", "app").stdout)
    assert settings["severity"] == {"OPT203": "note", "OPT101": "warning"}
    assert settings["extend-exclude"] == ["app/gen", "old"]


def test_extend_in_a_circle_or_nowhere() -> None:
    write("a.toml", 'extend = "b.toml"\n')
    write("b.toml", '# two\nextend = "a.toml"\n')
    assert refused("--config", "a.toml") == "optlint: b.toml:2: extend: a.toml is extended in a circle"
    write("optlint.toml", 'extend = "gone.toml"\n')
    assert refused() == "optlint: optlint.toml:1: extend: gone.toml cannot be read: No such file or directory"


def test_standard_input_has_the_settings_of_the_file_that_it_is_said_to_be() -> None:
    write("src/optlint.toml", 'select = ["OPT2"]\nexclude = ["gen"]\n')
    text = "# error OPT101\n# error OPT203\n"
    named = ("-", "--output-format", "concise", "--stdin-filename")
    assert "OPT101" not in run(*named, "src/a.py", stdin=text).stdout
    assert "OPT101" in run(*named, "a.py", stdin=text).stdout
    assert "OPT203" in run(*named, "src/gen/a.py", stdin=text).stdout
    assert "OPT203" not in run(*named, "src/gen/a.py", "--force-exclude", stdin=text).stdout


def test_the_environment_stands_for_an_option(monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.py", "# error\n")
    write("optlint.toml", 'output-format = "full"\n')
    monkeypatch.setenv("OPTLINT_OUTPUT_FORMAT", "json")
    assert json.loads(run().stdout)["findings"]
    assert run("--output-format", "concise").stdout.startswith("a.py:1:1: OPT101 ")


def test_settings_from_python() -> None:
    settings = Settings(select=["OPT1"], per_file_ignores={"tests/*": ["OPT101"]}, severity={"OPT1": "note"})  # type: ignore[arg-type]
    assert [f.severity for f in lint_source("# error OPT101\n# error OPT203", "a.py", settings=settings).findings] == [
        "note"
    ]
    assert not lint_source("# error OPT101", "tests/a.py", settings=settings).findings
    with pytest.raises(ValueError, match="there is no rule 'OPT999'"):
        lint_source("", settings=Settings(select=("OPT999",)))
    with pytest.raises(ValueError, match="select is a list"):
        Settings(select="OPT1")  # type: ignore[arg-type]
    assert hash(settings) == hash(Settings(**{n: getattr(settings, n) for n in options()}))


def test_explicit_settings_from_python_are_all_there_is() -> None:
    write("optlint.toml", 'ignore = ["ALL"]\n')
    write("a.py", "# error OPT101\n")
    assert not lint_paths(["a.py"]).findings
    assert lint_paths(["a.py"], settings=Settings()).findings


# --- what is wrong with them


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('\nslect = ["OPT1"]\n', "2: unknown key 'slect'. Did you mean select?"),
        ("a = 1\n", "1: unknown key 'a'"),
        ('x-y = [\n"]"]\nunknown_key = 2\n', "1: unknown key 'x-y'"),
        ("show-updates = true\n", "1: unknown key 'show-updates'"),
        ('# one\n\nignore = ["OPT1",\n  "OPT10111"]\n', "4: there is no rule 'OPT10111'"),
        ('select = ["OPT101", "missing-epsilo"]', "1: there is no rule 'missing-epsilo'. Did you mean missing"),
        ("select = 'OPT1'\n", "1: select is a list of codes, prefixes or names, not 'OPT1'"),
        ("select = [1]\n", "1: select is a list of codes, prefixes or names; 1 is none"),
        ('convention = "torch"\n', "1: convention is one of auto, paper, pytorch"),
        ('unconfirmed = "yes"\n', "1: unconfirmed is true or false, not 'yes'"),
        (
            '[per-file-ignores]\n"a.py" = ["OPT1"]\n"b.py" = ["OPT999"]\n',
            "3: there is no rule 'OPT999'",
        ),
        ('[per-file-ignores]\n"a.py" = "OPT1"\n', "per-file-ignores.a.py is a list"),
        (
            '[severity]\nOPT1 = "note"\nOPT2 = "eror"\n',
            "3: severity.OPT2 is one of error, warning, note, not 'eror'. Did",
        ),
        ('severity.OPT1 = "note"\nseverity.OPT888 = "note"\n', "2: there is no rule 'OPT888'"),
        ('severity = ["OPT1"]\n', "1: severity is a table of rules"),
        (
            "exclude = ['*a*b*c*d*e']\n",
            "1: exclude: the pattern '*a*b*c*d*e' cannot be used: it has more than 4 wildcards",
        ),
        ("exclude = ['{a,b}{a,b}{a,b}{a,b}{a,b}{a,b}']\n", "it has more than 50 alternatives"),
        ("exclude = ['a', 3]\n", "1: exclude holds patterns; 3 is none"),
        ("extend = 1\n", "1: extend is a path, not 1"),
        ("select = [\n", "not valid TOML"),
        ("fail-on = 'note'\nfail-on = 'note'\n", "2: not valid TOML: Cannot overwrite a value"),
    ],
)
def test_a_wrong_setting_is_named_with_its_line(text: str, says: str) -> None:
    write("optlint.toml", text)
    line = refused()
    assert line.startswith("optlint: optlint.toml:") and says in line


def test_lines_count_in_the_whole_pyproject_file() -> None:
    write(
        "pyproject.toml", '[project]\nname = "slect"\n\n[tool.optlint]\n# slect\n"slect" = 1\n[tool.other]\nslect = 2\n'
    )
    assert refused().startswith("optlint: pyproject.toml:6: unknown key 'slect'")
    write("pyproject.toml", "[tool]\noptlint = { convention = 'auto', slect = 1 }\n")
    assert refused().startswith("optlint: pyproject.toml:2: unknown key 'slect'")
    write("pyproject.toml", "[tool.optlint.severity]\r\nOPT1 = 'note'\r\nOPT777 = 'note'\r\n")
    assert refused().startswith("optlint: pyproject.toml:3: there is no rule 'OPT777'")


def test_only_its_own_section_of_pyproject_matters() -> None:
    write("a.py", "# error\n")
    write("pyproject.toml", "[tool.mypy\nnot toml, and says nothing of the linter\n")
    assert found() == ["a.py OPT101"]
    write("pyproject.toml", '[tool.mypy\n[tool.optlint]\nselect = ["OPT2"]\n')
    assert "pyproject.toml:1: not valid TOML" in refused()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--select", "OPT999"], "--select: there is no rule 'OPT999'"),
        (["--ignore", "asent"], "Did you mean ascent?"),
        (["--per-file-ignores", "a.py"], "'a.py' is not of the form PATTERN:RULE"),
        (["--severity", "OPT1"], "'OPT1' is not of the form RULE=SEVERITY"),
        (["--severity", "OPT1=fatal"], "severity.OPT1 is one of error, warning, note"),
        (["--exclude", "*/*/*/*/*/a"], "more than 4 wildcards"),
        (["--config", "slect = 1"], "--config: unknown key 'slect'. Did you mean select"),
        (["--config", "a = = 1"], "--config:1: not valid TOML"),
        (["--config", 'extend = "a.toml"'], "extend stands in files only"),
    ],
)
def test_a_wrong_argument_is_named(arguments: list[str], says: str) -> None:
    assert says in refused(*arguments)


def test_a_configuration_further_down_that_cannot_be_used() -> None:
    write("a.py", "# error\n")
    write("bad/b.py", "# error\n")
    write("bad/optlint.toml", "slect = 1\n")
    result = run(".", "bad/b.py", "--output-format", "concise")
    assert result.exit_code == 2
    assert result.stderr == "optlint: bad/optlint.toml:1: unknown key 'slect'. Did you mean select?\n"
    assert result.stdout.startswith("a.py:1:1: ") and "b.py" not in result.stdout
    problems = lint_paths(["bad"]).problems
    assert [(p.path, p.line, p.fatal) for p in problems] == [("bad/optlint.toml", 1, True)]


def test_a_configuration_error_can_be_sent_between_processes() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(ConfigError("a.toml", 3, "wrong")))
    assert (str(error), error.line) == ("a.toml:3: wrong", 3)


def test_the_line_of_a_key_is_found_in_any_spelling() -> None:
    text = 'a = """\nkey = 1\n"""\n["x"]\n"key" = [\n 1,\n "y",\n]\nz.key = 3\n'
    assert toml.line_of(text, ("a",)) == 1
    assert toml.line_of(text, ("x", "key")) == 5
    assert toml.line_of(text, ("x", "key"), "y") == 7
    assert toml.line_of(text, ("x", "z", "key")) == 9
    assert toml.line_of(text, ("x", "gone")) is None


# --- which files


def names(*arguments: str) -> list[str]:
    result = run("--show-files", *arguments)
    assert result.exit_code == 0
    return result.stdout.split()


def test_exclude_and_include() -> None:
    for name in ("a.py", "gen/b.py", "src/gen/c.py", "src/d_pb2.py", "build/e.py", "src/f.py.in"):
        write(name, "")
    assert names() == ["a.py", "gen/b.py", "src/d_pb2.py", "src/gen/c.py"]
    assert names("--extend-exclude", "*_pb2.py,/gen") == ["a.py", "src/gen/c.py"]
    assert names("--extend-exclude", "gen") == ["a.py", "src/d_pb2.py"]
    assert names("--extend-exclude", "src/{gen,d_*}") == ["a.py", "gen/b.py"]
    assert names("--exclude", "src") == ["a.py", "build/e.py", "gen/b.py"]
    write("optlint.toml", 'extend-include = ["*.py.in"]\nextend-exclude = ["./gen/", "src/*.py", "!src/d_*"]\n')
    assert names() == ["a.py", "src/d_pb2.py", "src/f.py.in", "src/gen/c.py"]


def test_patterns_belong_to_the_file_that_has_them(tree: Path) -> None:
    for name in ("one/gen/a.py", "one/src/b.py", "gen/c.py"):
        write(name, "")
    write("one/optlint.toml", 'extend-exclude = ["./gen"]\n')
    assert names() == ["gen/c.py", "one/src/b.py"]
    assert names("one/gen", "one/gen/a.py") == ["one/gen/a.py"]
    assert names("one/gen", "one/gen/a.py", "one/src/b.py", "--force-exclude") == ["one/src/b.py"]
    write("one/src/optlint.toml", 'extend-exclude = ["../gen"]\n')
    assert names("one/gen/a.py", "--config", "one/src/optlint.toml", "--force-exclude") == []


def test_force_exclude_looks_below_the_configuration_only() -> None:
    write("build/project/src/a.py", "")
    write("build/project/src/build/b.py", "")
    write("build/project/optlint.toml", "force-exclude = true\n")
    assert names("build/project/src/a.py", "build/project/src/build/b.py") == ["build/project/src/a.py"]
    assert names("build/project/src/build/b.py", "--no-force-exclude") == ["build/project/src/build/b.py"]


def test_gitignore_can_be_left_aside() -> None:
    write(".git/HEAD", "")
    write(".gitignore", "a.py\n")
    write("a.py", "")
    assert names() == [] and names("--no-respect-gitignore") == ["a.py"]
    write("optlint.toml", "respect-gitignore = false\n")
    assert names() == ["a.py"] and names("--respect-gitignore") == []


@pytest.mark.parametrize(
    ("pattern", "path", "meant"),
    [
        ("a.py", "x/y/a.py", True),
        ("a.py", "x/aa.py", False),
        ("x", "x/y/a.py", True),
        ("x/*", "x/y/a.py", True),
        ("x/*.py", "x/y/a.py", False),
        ("x/**/a.py", "x/y/z/a.py", True),
        ("/y", "x/y/a.py", False),
        ("./x", "x/y/a.py", True),
        ("{a,b}.py", "x/b.py", True),
        ("[ab].py", "x/b.py", True),
    ],
)
def test_patterns(tree: Path, pattern: str, path: str, meant: bool) -> None:
    assert globs((based(pattern, str(tree)),)).holds(str(tree / path), str(tree)) == meant


def test_an_absolute_pattern_is_anchored_where_it_lies(tree: Path) -> None:
    assert based(f"{tree}/src/*.py", str(tree)) == Glob("/src/*.py", str(tree))
    assert based("../x", str(tree / "sub")) == Glob("/x", str(tree))


# --- what is shown of them


def test_show_settings_is_a_configuration_with_the_same_meaning() -> None:
    write("src/a.py", "# error OPT101\n# error OPT203\n# error OPT301\n")
    write("b.py", "")
    write(
        "src/optlint.toml",
        'ignore = ["OPT2"]\nconvention = "keras"\nextend-exclude = ["x/*.py"]\n'
        '[per-file-ignores]\n"a.py" = ["OPT301"]\n[severity]\nOPT1 = "note"\n',
    )
    shown = run("--show-settings", "src", "b.py")
    assert shown.exit_code == 0
    first, second = (block for block in re.split(r"^(?=# \S+\.py: )", shown.stdout, flags=re.MULTILINE) if block)
    assert first.startswith("# src/a.py: from src/optlint.toml\n")
    assert second.startswith("# b.py: no configuration file\n")
    settings = toml.loads(first)
    assert settings["convention"] == "keras" and settings["extend-exclude"] == ["src/x/*.py"]
    assert "OPT101" in settings["select"] and "OPT203" not in settings["select"]
    assert settings["severity"] == {"OPT1": "note"}
    write("shown.toml", first)
    assert found("src", "--config", "shown.toml") == found("src") == ["src/a.py OPT101"]


def test_show_files_says_what_cannot_be_read() -> None:
    write("a.py", "")
    result = run("--show-files", "a.py", "gone.py")
    assert (result.exit_code, result.stdout) == (2, "a.py\n")
    assert result.stderr == "optlint: gone.py: No such file or directory\n"
