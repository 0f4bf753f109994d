from __future__ import annotations

import inspect
import os
import sys
from pathlib import Path

import pytest

from optlint.files import FoundFile, discover, read
from optlint.model import Problem


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(root: Path, *names: str, text: str = "") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def names(*paths: str | Path) -> list[str]:
    found = list(discover(paths or (".",)))
    files = [item for item in found if isinstance(item, FoundFile)]
    assert files == found
    return [file.name for file in files]


def problems(*paths: str | Path) -> list[Problem]:
    return [item for item in discover(paths) if isinstance(item, Problem)]


def test_python_files_and_notebooks_in_sorted_order(tree: Path) -> None:
    write(tree, "b.py", "a/z.ipynb", "a/b/c.pyi", "a.pyw", "notes.md", "a/data.json", "c.pyc")
    assert names() == ["a/b/c.pyi", "a/z.ipynb", "a.pyw", "b.py"]


@pytest.mark.parametrize("name", [".git", ".venv", "venv", "node_modules", "build", "dist", "lib/site-packages"])
def test_others_code_is_passed_over(tree: Path, name: str) -> None:
    write(tree, "a.py", f"{name}/x.py", f"deep/{name}/x.py")
    assert names() == ["a.py"]


def test_excluded_names_count_below_the_root_only(tree: Path) -> None:
    write(tree, "build/pkg/a.py", "build/pkg/build/b.py")
    assert names("build") == ["build/pkg/a.py"]
    assert names("build/pkg") == ["build/pkg/a.py"]


def test_a_named_file_is_always_linted(tree: Path) -> None:
    write(tree, "venv/a.py", "script", "ignored.py")
    write(tree, ".gitignore", text="ignored.py\n")
    assert names("venv/a.py", "script", "ignored.py") == ["venv/a.py", "script", "ignored.py"]
    assert all(isinstance(item, FoundFile) and item.named for item in discover(["script"]))


def test_each_file_is_read_once(tree: Path) -> None:
    write(tree, "a/b.py", "c.py")
    assert names("a/b.py", ".", tree / "c.py", "a") == ["a/b.py", "c.py"]


def test_names_are_relative_to_the_working_directory(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, "src/a.py", "other/b.py")
    assert names("./src/") == names(tree / "src") == ["src/a.py"]
    monkeypatch.chdir(tree / "src")
    assert names(tree / "src") == ["a.py"]
    assert names("../other") == ["../other/b.py"]
    assert names(tree / "other") == [(tree / "other" / "b.py").as_posix()]


def test_gitignore(tree: Path) -> None:
    write(tree, "keep.py", "drop.py", "out/a.py", "src/out/b.py", "src/gen_a.py", "src/gen_keep.py")
    write(tree, ".gitignore", text="drop.py\n/out/\ngen_*.py\n!gen_keep.py\n")
    assert names() == ["keep.py", "src/gen_keep.py", "src/out/b.py"]


def test_nested_gitignore_overrules_and_stays_in_its_place(tree: Path) -> None:
    write(tree, "a/x.py", "a/y.py", "b/x.py", "b/y.py")
    write(tree, ".gitignore", text="x.py\n")
    write(tree, "a/.gitignore", text="!x.py\ny.py\n")
    assert names() == ["a/x.py", "b/y.py"]


def test_the_repository_above_counts(tree: Path) -> None:
    write(tree, "repo/.git/info/exclude", text="local.py\n")
    write(tree, "repo/.gitignore", text="drop.py\n")
    write(tree, "repo/src/drop.py", "repo/src/local.py", "repo/src/keep.py")
    write(tree, ".gitignore", text="keep.py\n")  # outside the repository
    assert names("repo/src") == ["repo/src/keep.py"]


def test_an_ignored_directory_that_is_named_is_linted(tree: Path) -> None:
    write(tree, ".git/HEAD", "generated/a.py", "generated/deep/b.py")
    write(tree, ".gitignore", text="generated/\n")
    assert names("generated") == ["generated/a.py", "generated/deep/b.py"]
    assert names("generated/deep") == ["generated/deep/b.py"]


def test_dot_ignore_overrules_gitignore(tree: Path) -> None:
    write(tree, "a.py", "b.py")
    write(tree, ".gitignore", text="a.py\n")
    write(tree, ".ignore", text="!a.py\nb.py\n")
    assert names() == ["a.py"]


def test_patterns_that_cannot_be_read_are_passed_over(tree: Path) -> None:
    write(tree, "a.py", "b.py")
    (tree / ".gitignore").write_bytes(b"!\n[z-a].py\n\xff*\n[[]\n\nb.py\r\n")
    assert names() == ["a.py"]


def test_a_hostile_pattern_takes_no_time(tree: Path) -> None:
    write(tree, "a" * 200 + ".py")
    write(tree, ".gitignore", text="*a" * 30 + "*b\n")
    assert len(names()) == 1


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_links_to_directories_are_not_followed(tree: Path) -> None:
    write(tree, "a/b.py")
    (tree / "a" / "loop").symlink_to(tree)
    (tree / "a" / "link.py").symlink_to(tree / "a" / "b.py")
    (tree / "a" / "dangling.py").symlink_to(tree / "nowhere.py")
    (tree / "root").symlink_to(tree / "a")
    assert names("a") == ["a/b.py", "a/link.py"]
    assert names("root") == ["root/b.py", "root/link.py"]


def test_depth_is_not_recursion(tree: Path) -> None:
    write(tree, "d/" * 300 + "a.py")
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(len(inspect.stack()) + 150)
    try:
        assert len(names()) == 1
    finally:
        sys.setrecursionlimit(limit)


def test_missing_path_is_fatal(tree: Path) -> None:
    (problem,) = problems("nowhere/a.py")
    assert (problem.path, problem.fatal) == ("nowhere/a.py", True)
    assert "No such file" in problem.message


def test_directory_without_python_is_noticed(tree: Path) -> None:
    write(tree, "docs/a.md")
    (problem,) = problems("docs")
    assert (problem.path, problem.message, problem.fatal) == ("docs", "no Python files found under docs", False)


def test_a_name_that_no_system_takes_is_missing(tree: Path) -> None:
    assert [problem.fatal for problem in problems("a\0.py")] == [True]


def test_unreadable_file_is_fatal_only_where_it_is_named(tree: Path) -> None:
    named, met = (FoundFile(str(tree / "gone.py"), "gone.py", named=named) for named in (True, False))
    assert [isinstance(p := read(f), Problem) and (p.path, p.fatal) for f in (named, met)] == [
        ("gone.py", True),
        ("gone.py", False),
    ]


def test_unreadable_directory_is_a_problem(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tree, "a/x.py", "b/y.py")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if path.endswith("a"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr("optlint.files.os.scandir", refuse)
    problem, file = discover(["."])
    assert problem == Problem("a", None, "the directory cannot be read: Permission denied")
    assert isinstance(file, FoundFile) and file.name == "b/y.py"
    assert [problem.fatal for problem in problems("a")] == [True]


def test_a_very_large_file_is_skipped(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("optlint.files.MAX_MEGABYTES", 1)
    write(tree, "fits.py", text="x" * 1_000_000)
    write(tree, "large.py", text="x" * 1_000_001)
    fits, large = (read(file) for file in discover(["."]) if isinstance(file, FoundFile))
    assert isinstance(fits, bytes) and len(fits) == 1_000_000
    assert large == Problem("large.py", None, "larger than 1 MB: skipped")


def test_standard_input_has_the_name_that_it_is_given() -> None:
    assert list(discover(["-", "-"], "./a b.py")) == [FoundFile("-", "./a b.py", named=True)]


@pytest.mark.skipif(os.name == "nt", reason="a directory in use cannot be removed there")
def test_a_working_directory_that_is_gone_is_one_problem(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "gone").mkdir()
    monkeypatch.chdir(tree / "gone")
    (tree / "gone").rmdir()
    assert [problem.fatal for problem in problems(".")] == [True]
