from __future__ import annotations

import ast
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from optlint import lint_source
from optlint.notebook import without_magics
from optlint.python2 import readable
from optlint.source import SourceError, read_source, source_from_text


def text_of(data: bytes) -> str:
    (unit,) = read_source("a.py", data).units
    assert unit.cell is None
    return unit.text


def notebook(*cells: object, **more: object) -> bytes:
    return json.dumps({"nbformat": 4, "cells": cells, **more}).encode()


def code(*lines: str) -> dict[str, object]:
    return {"cell_type": "code", "source": list(lines)}


def units_of(data: bytes) -> list[tuple[int | None, str]]:
    return [(unit.cell, unit.text) for unit in read_source("a.ipynb", data).units]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        pytest.param("β = 1\n".encode(), "β = 1\n", id="utf-8"),
        pytest.param(b"\xef\xbb\xbfx = 1\n", "x = 1\n", id="byte-order mark"),
        pytest.param(b"# -*- coding: latin-1 -*-\nx = '\xe9'\n", "# -*- coding: latin-1 -*-\nx = 'é'\n", id="cookie"),
        pytest.param(b"#!py\n# vim: fileencoding=cp1252\n\x80", "#!py\n# vim: fileencoding=cp1252\n€", id="line 2"),
        pytest.param(b"a\r\nb\rc\n", "a\nb\nc\n", id="newlines of all systems"),
        pytest.param(b"", "", id="empty"),
    ],
)  # fmt: skip
def test_decodes_as_python_does(data: bytes, text: str) -> None:
    assert text_of(data) == text


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        pytest.param(b"x = 1\ny = '\xe9'\n", 2, "not valid UTF-8", id="no cookie"),
        pytest.param(b"x = 1\n\n# coding: latin-1\n'\xe9'\n", 4, "not valid UTF-8", id="cookie too late"),
        pytest.param(b"x = 1\n# coding: latin-1\n'\xe9'\n", 3, "not valid UTF-8", id="cookie after code"),
        pytest.param(b"# coding: klingon\n", 1, "unknown encoding 'klingon'", id="unknown encoding"),
        pytest.param(b"# coding: zlib\n", 1, "unknown encoding 'zlib'", id="not a text encoding"),
        pytest.param(b"# coding: punycode\n", 1, "unknown encoding 'punycode'", id="quadratic decoder"),
        pytest.param(b"x = 1\0\n", None, "not a text file", id="NUL"),
        pytest.param("x = 1\n".encode("utf-16"), None, "not a text file", id="UTF-16"),
    ],
)
def test_says_why_it_cannot_decode(data: bytes, line: int | None, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_source("a.py", data)
    assert caught.value.line == line


def test_lines_are_those_of_python() -> None:
    (unit,) = read_source("a.py", "a = '\u2028'\n\x0cb = 1\x0b".encode()).units
    assert unit.lines == ("a = '\u2028'", "\x0cb = 1\x0b")


def test_text_without_an_encoding_is_still_analysable() -> None:
    (unit,) = source_from_text("a.py", "x = '\ud800'\n").units
    assert unit.text == "x = '\ufffd'\n"


def test_cells_count_markdown_too() -> None:
    data = notebook({"cell_type": "markdown", "source": ["# title"]}, code("a = 1\n", "b = 2"), code("c = 3"))
    assert units_of(data) == [(2, "a = 1\nb = 2"), (3, "c = 3")]


def test_cell_source_may_be_one_string() -> None:
    assert units_of(notebook({"cell_type": "code", "source": "a = 1\r\nb = 2"})) == [(1, "a = 1\nb = 2")]


def test_texts_are_named_by_cell() -> None:
    source = read_source("nb.ipynb", notebook(code("a\n", "b")))
    assert source.texts() == {"nb.ipynb:cell 1": ("a", "b")}
    assert read_source("a.py", b"a\nb").texts() == {"a.py": ("a", "b")}


def test_format_3_keeps_cells_in_worksheets() -> None:
    cells = [{"cell_type": "heading", "source": "t"}, {"cell_type": "code", "language": "python", "input": ["x = 1"]}]
    data = json.dumps({"nbformat": 3, "worksheets": [{"cells": cells}, {"cells": cells[1:]}]}).encode()
    assert units_of(data) == [(2, "x = 1"), (3, "x = 1")]


@pytest.mark.parametrize(
    "metadata",
    [
        pytest.param({"language_info": {"name": "R"}}, id="language_info"),
        pytest.param({"kernelspec": {"language": "julia"}}, id="kernelspec"),
    ],
)
def test_other_languages_have_no_units(metadata: dict[str, object]) -> None:
    assert units_of(notebook(code("x <- 1"), metadata=metadata)) == []


def test_metadata_that_says_python_or_nothing_is_read() -> None:
    said: list[object] = [{}, {"language_info": {"name": "ipython"}}, {"kernelspec": {"language": "python"}}, [], None]
    for metadata in said:
        assert units_of(notebook(code("x = 1"), metadata=metadata)) == [(1, "x = 1")]


def test_odd_cells_are_passed_over() -> None:
    assert units_of(notebook(None, {"cell_type": "code"}, {"cell_type": "code", "source": [1, "x"]})) == [
        (2, ""),
        (3, "x"),
    ]


@pytest.mark.parametrize(
    ("data", "line", "message"),
    [
        pytest.param(b'{\n"cells": [,]}', 2, "invalid JSON", id="syntax"),
        pytest.param(b"[" * 100_000, None, "invalid JSON", id="nested without end"),
        pytest.param(b'{"cells": [' + b"9" * 5000 + b"]}", None, "invalid JSON", id="enormous number"),
        pytest.param(b'{"cells": 3}', None, "no list of cells", id="no cells"),
        pytest.param(b"3", None, "no list of cells", id="no object"),
        pytest.param(b'{"cells": ["\xe9"]}', 1, "not valid UTF-8", id="encoding"),
    ],
)
def test_says_why_a_notebook_cannot_be_read(data: bytes, line: int | None, message: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        read_source("a.ipynb", data)
    assert caught.value.line == line


def test_an_empty_notebook_is_not_broken() -> None:
    assert units_of(b"") == []


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("x = (a\n     % b)", id="modulo inside brackets"),
        pytest.param("x = a \\\n  % b", id="modulo on a joined line"),
        pytest.param("x = '''\n%time\n!ls\n'''", id="inside a string"),
        pytest.param("x = 'it\\'s (' \ny = [\n% 3]", id="bracket inside a string"),
        pytest.param("x = 1  # why?\n", id="question in a comment"),
        pytest.param("x = a != b\ny = 'a = !ls'\nf'{x=!r}'", id="not-equal and conversions"),
        pytest.param("rm = 1\nls - x\ncat.fit(x)\nmv(a)", id="names of commands"),
        pytest.param("m = beta * m\n\n\n@decorated\ndef f(): ...", id="plain code"),
    ],
)
def test_python_stays_as_it_is(text: str) -> None:
    assert without_magics(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("%matplotlib inline\nx = 1", "pass              \nx = 1", id="line magic"),
        pytest.param("if x:\n    !ls -l\n", "if x:\n    pass  \n", id="shell, indented"),
        pytest.param("!x\n", "0 \n", id="shorter than pass"),
        pytest.param("np.sum?\nx??\n?y", "pass   \n0  \n0 ", id="help"),
        pytest.param("files = !ls *.py", "pass            ", id="assigned shell"),
        pytest.param("a = %time f()", "pass         ", id="assigned magic"),
        pytest.param("!pip install \\\n  numpy\nx = 1", "pass          \n       \nx = 1", id="joined line"),
        pytest.param("pip install numpy\n", "pass             \n", id="without a sign"),
        pytest.param("x = [1,\n 2]\n%time\n", "x = [1,\n 2]\npass \n", id="after brackets"),
        pytest.param("%%time\nm = 1\n!ls", "pass  \nm = 1\n0  ", id="timed cell"),
        pytest.param("%%writefile optim.py\nm = 1", "pass                \nm = 1", id="written Python"),
        pytest.param("\n%%bash\nfor f in *; do\n", "\n\n\n", id="another language"),
        pytest.param("%%html\n<b>%</b>", "\n", id="unknown cell magic"),
    ],
)
def test_magics_give_way_to_as_many_characters(text: str, expected: str) -> None:
    assert without_magics(text) == expected


@given(st.text(alphabet=st.sampled_from("%!?=#'\"\\\n()[]{} \tabm*"), max_size=60))
def test_every_line_and_column_stays(text: str) -> None:
    changed = without_magics(text)
    if changed.strip("\n"):
        assert [len(line) for line in changed.split("\n")] == [len(line) for line in text.split("\n")]
    else:
        assert changed.count("\n") == text.count("\n")


@given(st.text(alphabet=st.sampled_from("%=#'\"\\\n()[] ab1"), max_size=40))
def test_what_python_can_parse_is_not_touched(text: str) -> None:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError):
        return
    assert without_magics(text) == text


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('if x:\n\tprint "a", x\n', "if x:\n\tpass\n"),
        ("print\nprint (a)\n", None),
        ('x = 1; print >>f, "%d" % (a,\n  b); y = 2\n', "x = 1; pass\n    ; y = 2\n"),
        ("try:\n  f()\nexcept E, e:\n  raise E, 'no'\n", "try:\n  f()\nexcept E   :\n  raise E\n"),
        ("a = 10L if b <> c else 0\n", "a = 10  if b != c else 0\n"),
        ("def f(a,\n  b):  # later\n\nx = {1: 2}\n", "def f(a,\n  b): pass  # later\n\nx = {1: 2}\n"),
        ("if a:\n def f(x):\n  # later\n b = x[1:\n 2]\n", "if a:\n def f(x): pass\n  # later\n b = x[1:\n 2]\n"),
    ],
)  # fmt: skip
def test_python_2_statements_are_taken_out_in_place(old: str, new: str | None) -> None:
    found = readable(old)
    assert (found and [line.rstrip() for line in found.split("\n")]) == (new and new.split("\n"))


ADAMW = """
for t in range(1, 100):
    g = grad(w) + weight_decay * w
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
    w = w - lr * (m / (1 - beta1**t)) / ((v / (1 - beta2**t)) ** 0.5 + eps)
"""


@pytest.mark.parametrize(("heading", "codes"), [("## AdamW", ["OPT402"]), ("## Adam with L2", []), ("AdamW", [])])
def test_a_heading_names_the_cells_below_it(heading: str, codes: list[str]) -> None:
    start = "w, m, v = 1.0, 0.0, 0.0\nbeta1, beta2, eps, lr, weight_decay = 0.9, 0.999, 1e-8, 0.1, 0.01"
    cells = [
        {"cell_type": "markdown", "source": [f"{heading}\n", "Some words."]},
        {"cell_type": "code", "source": start},
        {"cell_type": "code", "source": ADAMW},
    ]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    found = [f.code for f in lint_source(notebook, "a.ipynb").findings if f.severity != "note"]
    assert found == codes


OPTIMIZER = """
class {name}:
    def __init__(self, parameters, lr=1e-2, b1=0.9, b2=0.999, eps=1e-8):
        self.parameters, self.lr, self.b1, self.b2, self.eps, self.t = list(parameters), lr, b1, b2, eps, 0
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]

    def zero_grad(self):
        for p in self.parameters:
            p.grad = None

    @torch.no_grad()
    def step(self):
        self.t += 1
        for p, m, v in zip(self.parameters, self.m, self.v):
"""
STEPS = {
    "SGD": ["p.sub_(self.lr * p.grad)"],
    "Adagrad": ["v.add_(p.grad * p.grad)", "p.sub_(self.lr / v.sqrt().add(self.eps) * p.grad)"],
    "Adam": [
        "m.mul_(self.b1).add_(p.grad * (1 - self.b1))",
        "v.mul_(self.b2).add_(p.grad * p.grad * (1 - self.b2))",
        "m_hat, v_hat = m.div(1 - self.b1**self.t), v.div(1 - self.b2**self.t)",
        "p.sub_(self.lr * m_hat / v_hat.sqrt().add(self.eps))",
    ],
}
TRAIN = """
def train(batches, net, optimizer):
    for x, y in batches:
        optimizer.zero_grad()
        loss = criterion(net(x), y)
        loss.backward()
        optimizer.step()
"""


def test_what_a_class_moves_is_called_after_it_whichever_cell_moves_the_same_parameter_last() -> None:
    cells = [{"cell_type": "code", "source": TRAIN}]
    for name, lines in STEPS.items():
        made = OPTIMIZER.format(name=name) + "".join(f"            {line}\n" for line in lines)
        run = f"{name.lower()}_loss = train(batches, net, optimizer)"
        cells.append({"cell_type": "markdown", "source": f"## {name}"})
        cells += [{"cell_type": "code", "source": c} for c in (made, f"optimizer = {name}(net.parameters())", run)]
    notebook = json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5})
    report = lint_source(notebook, "a.ipynb")
    assert {"adagrad", "adam"} <= {u.family for u in report.updates}
    assert not [f for f in report.findings if f.severity != "note"]


EQUAL = """import numpy as np
w, m, v = np.ones(3), np.zeros(3), np.zeros(3)
for t in range(1, 100):
    g = 2 * w
    m = 0.9 * m + (1 - 0.9) * g
    v = 0.999 * v + (1 - 0.999) * g**2
    w = w - 0.001 * (m / (1 - 0.9)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8)
"""


@pytest.mark.parametrize(
    ("text", "path", "places"),
    [
        pytest.param(notebook(code(EQUAL), code(EQUAL)).decode(), "a.ipynb", [(1, 7), (2, 7)], id="cells"),
        pytest.param(EQUAL + EQUAL, "a.py", [(None, 7), (None, 14)], id="loops"),
    ],
)
def test_equal_updates_are_each_judged_in_place(text: str, path: str, places: list[tuple[int | None, int]]) -> None:
    findings = lint_source(text, path).findings
    assert [(f.code, f.span.cell, f.span.line) for f in findings] == [("OPT305", *place) for place in places]
    assert all(f.fix is not None for f in findings)
