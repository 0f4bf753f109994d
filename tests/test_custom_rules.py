"""A project's own rules: pages and conventions that its configuration names."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optlint import Settings, lint_paths, lint_source
from optlint.cli import main
from optlint.knowledge import KnowledgeError, find_mistake, knowledge_of, mistakes, rules_folder, using
from optlint.ownrules import checked_conventions, checked_page, unbounded

HEAD = """\
code = "ACME1"
name = "cube-for-square"
severity = "error"
summary = "the second moment averages the third power of the gradient"
rewrite = [{part = "v", wrong = "g**3", right = "g**2"}]
"""
STEP = """\
import numpy as np


def rmsprop(w, grad, cache, lr=0.01, rho=0.9, eps=1e-8):
    cache = rho * cache + (1 - rho) * {}
    w = w - lr * grad / (np.sqrt(cache) + eps)
    return w, cache
"""
BAD, GOOD = STEP.format("grad**3"), STEP.format("grad**2")
CONVENTION = """\
family = "rmsprop"
title = "Fourth root"
names = 'fourth_?root'

[[variant]]
name = "house style"
epsilon = "outside"
cites = "internal note 12"
equations = '''
v' = rho*v + (1 - rho)*g**4
w' = w - eta*g/(sqrt(sqrt(v')) + eps)
'''
"""
FOURTH = (
    STEP.format("grad**4")
    .replace("np.sqrt(cache)", "np.sqrt(np.sqrt(cache))")
    .replace("def rmsprop", "def fourth_root")
)


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    write("optlint.toml", 'rules = ["rules"]\n')
    write("a.py", BAD)
    return tmp_path


def write(name: str, text: str) -> None:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def page(head: str = HEAD, bad: str = BAD, good: str = GOOD) -> str:
    shown = f"```python bad\n{bad}```\n\n```python good\n{good}```\n"
    return f"+++\n{head}+++\n\n# ACME1: cube for square\n\n## What it does\n\nFinds cubes.\n\n{shown}"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, arguments)


def test_an_own_page_finds_its_mistake_and_confirms_it() -> None:
    write("rules/ACME1-cube.md", page())
    result = run("--output-format", "concise")
    assert result.exit_code == 1
    assert re.match(r"a\.py:5:\d+: ACME1 (\[\*\] )?the second moment averages the third power", result.stdout)
    (finding,) = lint_paths(["a.py"]).findings
    assert (finding.verdict, finding.name, finding.severity) == ("confirmed", "cube-for-square", "error")
    assert run("--isolated").exit_code == 0


def test_an_own_page_is_a_rule_like_others() -> None:
    write("rules/ACME1-cube.md", page())
    assert run("--explain", "ACME1").stdout.startswith("# ACME1: cube for square\n")
    assert run("--explain", "cube-for-square").exit_code == 0
    assert run("--rules").stdout.startswith("ACME1 ")
    assert run("--ignore", "ACME1").exit_code == run("--select", "OPT").exit_code == 0
    assert run("--select", "ACME").exit_code == run("--select", "cube-for-square").exit_code == 1
    assert run("--severity", "ACME=note").exit_code == 0
    assert "there is no rule 'ACME1'" in run("--explain", "ACME1", "--isolated").stderr


def test_an_own_page_is_described_in_reports() -> None:
    write("rules/ACME1-cube.md", page())
    (rule,) = json.loads(run("--output-format", "sarif").stdout)["runs"][0]["tool"]["driver"]["rules"]
    assert rule["id"] == "ACME1" and rule["help"]["markdown"].startswith("# ACME1: cube for square")


def test_an_own_convention_is_a_published_optimizer() -> None:
    unknown = lint_source(FOURTH)
    assert [u.status for u in unknown.updates] == ["unmatched"]
    write("rules/fourth.toml", CONVENTION)
    report = lint_source(FOURTH, settings=Settings(rules=("rules",)))
    assert [(u.status, u.convention) for u in report.updates] == [("matched", "Fourth root (house style)")]
    assert not report.findings
    wrong = FOURTH.replace("np.sqrt(np.sqrt(cache))", "np.sqrt(cache)")
    assert [f.code for f in lint_source(wrong, settings=Settings(rules=("rules",))).findings] == ["OPT105"]


def test_rules_belong_to_the_files_whose_configuration_names_them() -> None:
    write("one/optlint.toml", 'rules = ["../rules/ACME1-cube.md"]\n')
    write("two/optlint.toml", "")
    write("rules/ACME1-cube.md", page())
    for name in ("one/a.py", "two/a.py", "one/deep/a.py"):
        write(name, BAD)
    assert sorted(f.path for f in lint_paths(["one", "two"]).findings) == ["one/a.py", "one/deep/a.py"]
    assert find_mistake("ACME1") is None and lint_source(BAD).findings == ()


def test_knowledge_is_that_of_the_run_which_uses_it() -> None:
    write("rules/ACME1-cube.md", page())
    own = knowledge_of(("rules",))
    with using(own):
        assert find_mistake("ACME1") is not None and len(mistakes()) == len(own.mistakes)
        with using(knowledge_of(())):
            assert find_mistake("ACME1") is None
        assert find_mistake("ACME1") is not None
    assert find_mistake("ACME1") is None
    assert knowledge_of(("rules",)) is own
    write("rules/ACME1-cube.md", page(HEAD.replace("cube-for-square", "cube-for-a-square")))
    assert knowledge_of(("rules",)).find("cube-for-a-square") is not None


# --- pages with faults


FAULTS = {
    "no TOML": (HEAD.replace('"ACME1"', "ACME1"), ":2: not valid TOML: "),
    "unknown key": (HEAD + 'sumary = "x"\n', ":7: unknown key 'sumary'. Did you mean summary"),
    "unknown option": (HEAD + '[options]\nprobe = ["x"]\n', ":8: unknown key 'probe'. Did you mean probes?"),
    "missing key": (HEAD.replace('name = "cube-for-square"\n', ""), ": 'name' is missing"),
    "wrong type": (HEAD.replace('"error"', "3"), ":4: severity is a text, not 3"),
    "severity": (HEAD.replace('"error"', '"fatal"'), ":4: severity is one of note, warning, error"),
    "code": (HEAD.replace("ACME1", "Acme-1"), ":2: a code is capital letters and digits, not 'Acme-1'"),
    "name taken": (HEAD.replace("cube-for-square", "ascent"), ":3: the name 'ascent' is taken"),
    "name": (HEAD.replace("cube-for-square", "Cube it"), ":3: a name is small words with hyphens"),
    "part": (HEAD.replace('"v"', '"w"'), ":6: part is one of m, v, step, state, any, not 'w'"),
    "formula": (HEAD.replace('"g**3"', '"g**"'), ":6: cannot read the formula 'g**'"),
    "call": (HEAD.replace('"g**3"', '"open(g)"'), ":6: cannot read 'open(g)' in the formula 'open(g)'"),
    "unbound": (HEAD.replace('"g**2"', '"n*g**2"'), ":6: 'n' in the formula 'n*g**2' stands for nothing"),
    "long formula": (HEAD.replace('"g**3"', f'"{"g+" * 1000}g"'), ":6: a formula is a text of at most"),
    "deep formula": (HEAD.replace('"g**3"', f'"{"(" * 400}g{")" * 400}"'), ":6: cannot read the formula"),
    "no check": (HEAD + 'check = "ascend"\n', ":7: there is no check 'ascend'. Did you mean ascent?"),
    "nothing to look for": (HEAD.partition("rewrite")[0], ":2: it has neither 'rewrite' nor 'check'"),
    "family": (HEAD + 'families = ["adams"]\n', ":7: there is no family 'adams'. Did you mean "),
    "probe": (HEAD + '[options]\nprobes = ["zero"]\n', ":8: there is no probe 'zero'"),
    "law": (
        HEAD + '[options]\nlaw = "is good"\n',
        ":8: law is one of rests, stays real, turns, decays, lasts, changes, descends, bounded, corrects, "
        "corrects later, counts, corrects once, follows its rate, scales, not 'is good'",
    ),
}


@pytest.mark.parametrize(("head", "says"), FAULTS.values(), ids=FAULTS)
def test_a_page_that_cannot_be_used_names_itself(head: str, says: str) -> None:
    write("rules/ACME1-cube.md", page(head))
    result = run()
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith(f"optlint: rules/ACME1-cube.md{says}")


def test_other_faults_of_own_rules() -> None:
    write("rules/a.md", "# no head\n")
    assert run().stderr == "optlint: rules/a.md:1: a page starts with a head between two lines '+++'\n"
    Path("rules/a.md").write_bytes(b"+++\n\xff\n+++\n")
    assert run().stderr == "optlint: rules/a.md: not valid UTF-8\n"
    Path("rules/a.md").unlink()
    assert run().stderr == "optlint: rules: there are no rules here: neither a .md nor a .toml file\n"
    assert run("--config", 'rules = ["a.py"]').stderr == "optlint: a.py: a rule is a .md page or a .toml file\n"
    assert run("--config", 'rules = ["gone.md"]').stderr == "optlint: gone.md: No such file or directory\n"
    write("rules/one.md", page())
    write("rules/two.md", page())
    assert run().stderr == "optlint: rules/two.md:2: the code 'ACME1' is taken: it is that of rules/one.md\n"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('"rmsprop"', '"rmsprob"', ": there is no family 'rmsprob'. Did you mean rmsprop"),
        ("eta*g/", "eta*g//", ":11: variant 'house style': cannot read"),
        ("w' =", "x' =", ": variant 'house style': there is no equation for w'"),
        ("w' = w", "w' w", "variant 'house style': an equation needs '='"),
        ("names = 'fourth_?root'", "names = '['", ": unterminated character set"),
        (
            "names = 'fourth_?root'",
            r"names = '\w*\w*\w*x'",
            ":3: names: a regular expression must not repeat",
        ),
        ('name = "house style"\n', "", ": 'name' is missing"),
        ('epsilon = "outside"', "cue = '(x+)+'", ":7: cue: a group in a regular expression must not be repeated"),
    ],
)
def test_a_convention_that_cannot_be_used_names_itself(old: str, new: str, says: str) -> None:
    assert old in CONVENTION
    write("rules/fourth.toml", CONVENTION.replace(old, new))
    result = run()
    assert (result.exit_code, result.stdout, result.stderr.count("\n")) == (2, "", 1)
    assert result.stderr.startswith("optlint: rules/fourth.toml") and says in result.stderr


def test_a_readme_among_the_rules_is_no_rule() -> None:
    write("rules/README.md", "# About our rules\n")
    write("rules/deep/ACME1-cube.md", page())
    assert run().exit_code == 1


def test_rules_from_python_that_cannot_be_used() -> None:
    write("rules/a.md", "")
    with pytest.raises(KnowledgeError, match=r"a\.md:1: a page starts"):
        lint_source(BAD, settings=Settings(rules=("rules",), select=("ALL",)))


@pytest.mark.parametrize(
    "pattern", [r"\bmlx\b|bert", r"adam_?w(?:eight)?", r"no[ _]+bias\w*", r"[a-z)+*]{2}", r"a\)*b"]
)
def test_regular_expressions_that_are_bounded(pattern: str) -> None:
    assert unbounded(pattern) is None


@pytest.mark.parametrize("pattern", ["(a*)*", "(a|b)+", "(a){9}", "a*b*c*", r"(a)\1", "(?P<x>a)(?P=x)", "[", "a" * 999])
def test_regular_expressions_that_are_not(pattern: str) -> None:
    assert unbounded(pattern)


def test_optlints_own_rules_stand_up_to_the_same_look() -> None:
    by_code = {
        "OPT119",
        "OPT205",
        "OPT206",
        "OPT606",
        "OPT900",
        "OPT901",
    }  # their work is done beside the search, by their code
    for path in sorted((rules_folder() / "mistakes").glob("*.md")):
        if path.name[:6] not in by_code:
            assert checked_page(path).source == path
    compiled = [v for path in (rules_folder() / "conventions").glob("s*.toml") for v in checked_conventions(path)[0]]
    assert compiled


# --- --test-rules


def test_examples_that_are_as_they_should_be() -> None:
    write("rules/ACME1-cube.md", page())
    result = run("--test-rules")
    assert (result.exit_code, result.stdout) == (0, "1 page, 2 examples: all as they should be.\n")
    assert run("--test-rules", "rules").stdout == result.stdout
    Path("optlint.toml").unlink()
    assert run("--test-rules", "rules/ACME1-cube.md").stdout == result.stdout
    assert run("--test-rules", str(next((rules_folder() / "mistakes").glob("OPT105*")))).exit_code == 0


@pytest.mark.parametrize(
    ("bad", "good", "says"),
    [
        pytest.param(
            GOOD, STEP.format("grad * grad"), ":15: ACME1 bad example 1: not found; instead: matched", id="nothing"
        ),
        pytest.param(
            BAD, STEP.format("grad*grad*grad"), ":25: ACME1 good example 1: ACME1 is found in its line 5: ", id="cube"
        ),
        pytest.param(BAD, "beta = 0.9\n", ":25: ACME1 good example 1: silent, but not understood", id="no update"),
        pytest.param(BAD, "beta = = 1\n", ":25: ACME1 good example 1: syntax error", id="no Python"),
        pytest.param(
            BAD + STEP.format("grad**2").replace("np.sqrt(", "(").replace("rmsprop", "rmsprop2"),
            GOOD,
            ":15: ACME1 bad example 1: OPT",
            id="another mistake",
        ),
    ],
)
def test_examples_that_fail(bad: str, good: str, says: str) -> None:
    write("rules/ACME1-cube.md", page(bad=bad, good=good))
    result = run("--test-rules")
    assert result.exit_code == 1
    first, summary = result.stdout.splitlines()
    assert first.startswith(f"rules/ACME1-cube.md{says}")
    assert summary == "1 page, 2 examples: 1 failure."


def test_pages_without_examples_or_none_at_all() -> None:
    write("rules/ACME1-cube.md", f"+++\n{HEAD}+++\n\n# ACME1\n")
    result = run("--test-rules")
    assert result.exit_code == 1
    assert result.stdout.startswith("rules/ACME1-cube.md: ACME1 needs a bad and a good example at least\n")
    result = run("--test-rules", "--isolated")
    assert (result.exit_code, result.stderr) == (
        2,
        "optlint: --test-rules: there are no pages to test; the setting 'rules' names them\n",
    )
