"""The cache: the same report without the work, and nothing that a stranger's cache could do."""

from __future__ import annotations

import json
import os
import pickle
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import standins
from click.testing import CliRunner, Result

from optlint import Settings, lint_paths
from optlint.cache import Cache
from optlint.cli import main
from optlint.files import FoundFile
from optlint.globs import Glob
from optlint.model import Report
from optlint.settings import OUTPUT_FORMATS, options
from optlint.source import Source

ROOT = Path(__file__).parents[1]
FIXTURES = ROOT / "fixtures"


@pytest.fixture(autouse=True)
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTLINT_NO_CACHE")
    return tmp_path


@pytest.fixture
def analysed(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The files that were analysed so far, by the stand-in."""
    names: list[str] = []
    own = standins.analyze

    def analyze(source: Source, settings: Settings) -> Report:
        names.append(source.path)
        return own(source, settings)

    monkeypatch.setattr(standins, "own", analyze)
    standins.install(monkeypatch, knowledge=False, analyze=analyze)
    yield names


def run(*arguments: str, stdin: str | None = None) -> Result:
    return CliRunner().invoke(main, arguments, input=stdin)


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")


def entries(folder: str = ".optlint_cache") -> list[Path]:
    return sorted(Path(folder).glob("*.json"))


def again(names: list[str]) -> list[str]:
    """What was analysed since the last look."""
    seen = sorted(names)
    names.clear()
    return seen


def test_what_has_not_changed_is_not_analysed_again(analysed: list[str]) -> None:
    write("a.py", "x = 'β'  # error\n# unsupported\n# unconfirmed\n")
    write("b.py", "# crash\n")
    write("c.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": "# note"}], "nbformat": 4}))
    write("d.py", "\0 # error\n")
    first = run("--output-format=json", "--unconfirmed")
    assert again(analysed) == ["a.py", "b.py", "c.ipynb"]
    second = run("--output-format=json", "--unconfirmed")
    assert again(analysed) == ["b.py"]  # what went wrong may go right
    assert (second.exit_code, second.stdout, second.stderr) == (first.exit_code, first.stdout, first.stderr)
    assert run().stdout == run("--no-cache").stdout
    write("a.py", "x = 'β'  # note\n")
    run()
    assert "a.py" in again(analysed)


@pytest.mark.parametrize(
    ("arguments", "new"),
    [
        (["--output-format=concise"], False),
        (["--fail-on=error", "--exit-zero", "-j2", "--exclude=z.py"], False),
        (["--select=OPT1"], True),
        (["--ignore=OPT2"], True),
        (["--convention=pytorch"], True),
        (["--severity=OPT1=note"], True),
        (["--per-file-ignores=a.py:OPT1"], True),
        (["--ignore-noqa"], True),
        (["--unconfirmed"], True),
    ],
)
def test_settings_that_change_what_is_found_count(analysed: list[str], arguments: list[str], new: bool) -> None:
    write("a.py", "# error\n")
    run()
    again(analysed)
    with_cache, without = run(*arguments), run(*arguments, "--no-cache")
    assert len(again(analysed)) == 1 + new
    assert (with_cache.exit_code, with_cache.output) == (without.exit_code, without.output)


def _other(name: str, value: Any) -> Any:
    kind = options()[name].kind
    if kind == "flag":
        return not value
    if kind == "choice":
        return next(choice for choice in options()[name].choices if choice != value)
    some: dict[str, Any] = {
        "rules": ("OPT101",),
        "rules by pattern": (("*.py", ("OPT101",)),),
        "severity by rule": (("OPT101", "note"),),
        "paths": (str(FIXTURES.parent / "rules" / "mistakes"),),
    }
    return some[kind]


@pytest.mark.parametrize("name", [name for name, option in options().items() if not option.aside])
def test_every_setting_counts_that_is_not_said_to_stand_aside(name: str) -> None:
    def key(settings: Settings) -> str:
        return Cache(print).entry(FoundFile("a.py", "a.py", settings=settings), b"").key

    plain = Settings()
    assert key(plain) == key(Settings()) != key(replace(plain, **{name: _other(name, getattr(plain, name))}))


def test_a_pattern_counts_by_what_it_means_for_the_file(tree: Path) -> None:
    def key(path: str, base: Path) -> str:
        settings = Settings(per_file_ignores=((Glob("src/*.py", str(base)), ("OPT1",)),))
        return Cache(print).entry(FoundFile(path, "a.py", settings=settings), b"").key

    here, moved = key(str(tree / "a.py"), tree), key(str(tree / "copy" / "a.py"), tree / "copy")
    assert here == moved != key(str(tree / "a.py"), tree / "other")


def test_own_rules_count_by_what_they_say() -> None:
    def key() -> str:
        found = FoundFile("a.py", "a.py", settings=Settings(rules=("r",)))
        return Cache(print).entry(found, b"").key

    write("r/acme.md", "one\n")
    before = key()
    assert before == key()
    write("r/acme.md", "two\n")
    after = key()
    write("r/more.toml", "")
    assert len({before, after, key()}) == 3


def test_where_the_cache_lies(tree: Path, analysed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.py", "# error\n")
    write("sub/optlint.toml", "")
    write("sub/b.py", "# error\n")
    write("set/optlint.toml", 'cache-dir = "../kept"\n')
    write("set/c.py", "# error\n")
    run()
    assert [len(entries(f)) for f in (".optlint_cache", "sub/.optlint_cache", "kept")] == [1, 1, 1]
    assert Path("kept/.gitignore").read_text(encoding="utf-8").endswith("*\n")
    assert Path("kept/CACHEDIR.TAG").read_bytes().startswith(b"Signature: 8a477f597d28d172789f06886806bc55")
    assert not list(Path("set").glob(".*"))
    again(analysed)
    run("--isolated", "--cache-dir=one")
    monkeypatch.setenv("OPTLINT_CACHE_DIR", "two")
    run("--isolated")
    assert [len(entries(f)) for f in ("one", "two")] == [3, 3]
    assert run("--show-files").stdout.split() == ["a.py", "set/c.py", "sub/b.py"]


def test_no_cache(tree: Path, analysed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    write("a.py", "# error\n")
    run("--no-cache")
    monkeypatch.setenv("OPTLINT_NO_CACHE", "true")
    run()
    monkeypatch.setenv("OPTLINT_NO_CACHE", "")
    run("-", stdin="# error\n")
    run("-", "--stdin-filename=a.py", stdin="# error\n")
    lint_paths(".")
    assert not Path(".optlint_cache").exists() and len(analysed) == 5


class Loaded:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("loaded"),)


def _with(text: str, old: str, new: str) -> bytes:
    assert old in text
    return text.replace(old, new).encode()


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(lambda text: b"", id="empty"),
        pytest.param(lambda text: text[:-9].encode(), id="cut off"),
        pytest.param(lambda text: pickle.dumps(Loaded()), id="a pickle"),
        pytest.param(lambda text: b"[" * 100_000, id="nested deeply"),
        pytest.param(lambda text: b"null", id="null"),
        pytest.param(lambda text: b"\xff", id="no text"),
        pytest.param(lambda text: b"1" * 10_000, id="a long number"),
        pytest.param(lambda text: _with(text, '"version":1', '"version":2'), id="another version"),
        pytest.param(lambda text: _with(text, '"error"', '"fatal"'), id="no severity"),
        pytest.param(lambda text: _with(text, '"this is error"', "7"), id="a number for a text"),
        pytest.param(lambda text: _with(text, '"this is error"', '{"a":1}'), id="a table for a text"),
        pytest.param(lambda text: _with(text, '"this is error",', ""), id="a field less"),
        pytest.param(lambda text: _with(text, "[1,", '["1",'), id="a text for a line"),
        pytest.param(lambda text: _with(text, "[1,", "[-1,"), id="no line"),
        pytest.param(lambda text: _with(text, "[1,", "[true,"), id="a truth for a line"),
    ],
)
def test_a_broken_entry_is_ignored_and_replaced(analysed: list[str], broken: Any) -> None:
    write("a.py", "# error\n")
    first = run()
    (entry,) = entries()
    whole = entry.read_text(encoding="utf-8")
    entry.write_bytes(broken(whole))
    again(analysed)
    second = run()
    assert (second.output, again(analysed)) == (first.output, ["a.py"])
    assert entry.read_text(encoding="utf-8") == whole and not Path("loaded").exists()


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_in_the_cache_leads_nowhere(analysed: list[str]) -> None:
    write("a.py", "# error\n")
    run()
    (entry,) = entries()
    write("precious", "text\n")
    entry.unlink()
    entry.symlink_to(Path("precious").resolve())
    run()
    assert Path("precious").read_text(encoding="utf-8") == "text\n" and not entry.is_symlink()


def test_a_cache_that_cannot_be_written_is_one_line(analysed: list[str]) -> None:
    write("a.py", "# error\n")
    write("b.py", "# error\n")
    write("taken", "")
    result = run("--cache-dir=taken", "--output-format=concise")
    assert (result.exit_code, result.stdout.count("OPT101")) == (1, 2)
    assert result.stderr == "optlint: taken: the cache cannot be written: File exists\n"
    assert run("--cache-dir=taken/below", "-s").stderr == ""


def test_entries_that_nobody_reads_go(analysed: list[str]) -> None:
    write("a.py", "# error\n")
    run()
    (old,) = entries()
    other = Path(".optlint_cache/notes.json")
    other.write_text("{}", encoding="utf-8")
    ages = {old: 40, other: 40}
    for path, days in ages.items():
        os.utime(path, (time.time() - days * 86_400,) * 2)
    write("a.py", "# note\n")
    run()
    assert not old.exists() and other.exists() and len(entries()) == 2
    (new,) = (entry for entry in entries() if entry != other)
    os.utime(new, (time.time() - 20 * 86_400,) * 2)
    run()
    assert time.time() - new.stat().st_mtime < 3600  # it is of use


def test_the_real_report_comes_out_of_the_cache_in_every_format(tree: Path) -> None:
    for name in ("founding_rmsprop.py", "founding_rmsprop_after_first_fix.py"):
        write(name, (FIXTURES / name).read_text(encoding="utf-8"))
    code = Path("founding_rmsprop.py").read_text(encoding="utf-8")
    write("n.ipynb", json.dumps({"cells": [{"cell_type": "code", "source": code}], "nbformat": 4}))
    fresh = run("--output-format=json").stdout
    assert len(entries()) == 3 and '"evidence": {' in fresh and '"edits"' in fresh
    report = lint_paths(".")
    for output_format in OUTPUT_FORMATS:
        from optlint.report import render

        kept = run("--output-format", output_format, "--show-updates").stdout
        assert kept == render(report, Settings(output_format=output_format, show_updates=True))


def test_a_fix_is_made_of_what_was_found_and_not_of_what_a_cache_says() -> None:
    text = (FIXTURES / "founding_rmsprop_after_first_fix.py").read_text(encoding="utf-8")
    write("a.py", text)
    said = run("--fix", "--unsafe-fixes", "--diff", "--no-cache").stdout
    run()
    (entry,) = entries()
    record = json.loads(entry.read_text(encoding="utf-8"))

    def tampered(value: Any) -> Any:
        """Every text that could be code becomes other code."""
        if isinstance(value, list):
            return [tampered(item) for item in value]
        return "import evil" if isinstance(value, str) and "(" in value else value

    record["report"] = tampered(record["report"])
    entry.write_text(json.dumps(record), encoding="utf-8")
    assert "import evil" in run("--output-format=json").stdout
    assert run("--fix", "--unsafe-fixes", "--diff").stdout == said and "+" in said
