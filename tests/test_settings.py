"""Settings: where they come from, which of them wins, what is wrong with them, and what they do."""

from __future__ import annotations

import json
import re

import pytest
from runs import found, refused, run, write

from optlint import Settings, lint_paths, lint_source, toml
from optlint.settings import ConfigError, options

pytestmark = pytest.mark.usefixtures("tree")


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
