"""Which files the settings take in and leave out."""

from __future__ import annotations

from pathlib import Path

import pytest
from runs import run, write

from optlint.globs import Glob, based, globs

pytestmark = pytest.mark.usefixtures("tree")


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
