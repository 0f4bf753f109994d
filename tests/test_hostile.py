"""Hostile and odd input, through the real engine: one clear line at most, and the rest of the run goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from optlint import lint_paths, lint_source

FOUNDING = (Path(__file__).parent.parent / "fixtures" / "founding_rmsprop.py").read_text(encoding="utf-8")
HEAD = "import numpy as np\nbeta = 0.9\n"
STEP = "    v = 0.9 * v + 0.1 * g**2\n    w = w - 0.1 * g / (np.sqrt(v) + 1e-8)\n    return w, v\n"
LOOPS = "".join("    " * (n + 1) + f"for i{n} in range(9):\n" for n in range(10))

TEXTS = {
    "nested brackets": HEAD + "x = " + "(" * 3000 + "1" + ")" * 3000 + "\n",
    "unary minus": HEAD + "x = " + "-" * 5000 + "1\n",
    "long sum": HEAD + "def f(w, g, v):\n    w = w - (" + "+".join(["g"] * 5000) + ")\n" + STEP,
    "huge powers": HEAD + "def f(w, g, v):\n    g = g ** (10**9) * 9**9**9\n" + STEP,
    "flags": HEAD
    + "def f(w, g, v, "
    + ", ".join(f"a{n}=False" for n in range(12))
    + "):\n"
    + "".join(f"    if a{n}:\n        g = g * {n + 2}\n" for n in range(12))
    + STEP,
    "nested loops": HEAD + "def f(w, g, v):\n" + LOOPS + "    " * 11 + "v = 0.9 * v + 0.1 * g**2\n" + STEP,
    "recursion": HEAD
    + "def a(x):\n    return b(x) * 0.9\ndef b(x):\n    return a(x)\n"
    + "class O:\n    def __init__(self):\n        self.__init__()\n        self.v = O()\n"
    + "    def step(self, w, g, v):\n        g = a(g)\n"
    + STEP.replace("    ", "        "),
    "new syntax": HEAD
    + "async def f(w, g, v, *a, **k):\n    match w:\n        case 1:\n            pass\n"
    + "    if (n := g) is not None:\n        g = n\n"
    + STEP,
    "no newline": (HEAD + "def f(w, g, v):\n" + STEP).rstrip("\n"),
    "carriage returns": (HEAD + "def f(w, g, v):\n" + STEP).replace("\n", "\r\n"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_hostile_text_costs_one_line_at_most(name: str) -> None:
    report = lint_source(TEXTS[name], "odd.py")
    assert len(report.problems) <= 1
    assert not any("internal error" in p.message or "\n" in p.message for p in report.problems)
    assert not [f for f in report.findings if f.severity != "note"]


def test_one_broken_block_does_not_hide_the_others() -> None:
    report = lint_source("def old():\n    beta = = 1\n\n\n" + FOUNDING, "old.py")
    assert [p.line for p in report.problems] == [2]
    assert sorted(f.code for f in report.findings) == ["OPT101", "OPT201", "OPT201"]


def test_an_old_script_is_read_as_what_it_is() -> None:
    report = lint_source("def old():\n    print 'beta'\n\n\n" + FOUNDING + "\nprint loss\n", "old.py")
    assert not report.problems
    assert sorted(f.code for f in report.findings) == ["OPT101", "OPT201", "OPT201"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"beta = 1\0\n", "NUL"),
        ("beta = 'é'\n".encode("latin-1"), "UTF-8"),
        (b"# -*- coding: no-such-thing -*-\nbeta = 1\n", "no-such-thing"),
    ],
)
def test_an_unreadable_file_is_named_and_the_run_goes_on(tmp_path: Path, data: bytes, says: str) -> None:
    (tmp_path / "bad.py").write_bytes(data)
    (tmp_path / "founding.py").write_text(FOUNDING, encoding="utf-8")
    report = lint_paths([tmp_path])
    assert len(report.problems) == 1
    assert says in report.problems[0].message
    assert len(report.findings) == 3


def test_encodings_that_are_declared_are_read(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(("# -*- coding: latin-1 -*-\n# é\n" + FOUNDING).encode("latin-1"))
    (tmp_path / "bom.py").write_bytes(b"\xef\xbb\xbf" + FOUNDING.encode("utf-8"))
    report = lint_paths([tmp_path])
    assert not report.problems
    assert len(report.findings) == 6
