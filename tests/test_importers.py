"""What only the callers in another file show: how steps are counted, and what is handed in."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from optlint import lint_paths
from optlint.cli import main
from optlint.importers import importers_of
from optlint.modules import Modules

ADAM = """
import numpy as np


class Adam:
    def __init__(self, lr=0.001, b1=0.9, b2=0.999, eps=1e-8):
        self.lr, self.b1, self.b2, self.eps = lr, b1, b2, eps
        self.m = {}
        self.v = {}

    def update(self, params, grads, t):
        for k in params:
            if k not in self.m:
                self.m[k] = np.zeros_like(params[k])
                self.v[k] = np.zeros_like(params[k])
            self.m[k] = self.b1 * self.m[k] + (1 - self.b1) * grads[k]
            self.v[k] = self.b2 * self.v[k] + (1 - self.b2) * grads[k] ** 2
            m_hat = self.m[k] / (1 - self.b1**t)
            v_hat = self.v[k] / (1 - self.b2**t)
            params[k] -= self.lr * m_hat / (np.sqrt(v_hat) + self.eps)
"""

TRAIN = """
{imports}


def train(params, batches, gradients_of, epochs=10):
    optimizer = {adam}()
    t = 0
    for epoch in range(epochs):
        for x, y in batches:
            t += 1
            optimizer.update(params, gradients_of(params, x, y), {t})
    return params
"""

SCRIPT = """
import numpy as np
from model import batches, gradients_of
from optim import Adam

params = {"W": np.ones((3, 2)), "b": np.zeros(2)}
optimizer = Adam()
for epoch in range(10):
    for x, y in batches:
        optimizer.update(params, gradients_of(params, x, y), epoch + 1)
"""

SIZED = """
import numpy as np


def adam(w, g, m, v, lr_t, b1=0.9, b2=0.999, eps=1e-8):
    m = b1 * m + (1 - b1) * g
    v = b2 * v + (1 - b2) * g**2
    return w - lr_t * m / (np.sqrt(v) + eps), m, v
"""

SIZING = """
import numpy as np
from optim import adam


def train(w, gradient, lr=0.001, steps=100):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for t in range(1, steps + 1):
        lr_t = {rate}
        w, m, v = adam(w, gradient(w), m, v, lr_t)
    return w
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "optim.py").write_text(ADAM, encoding="utf-8")
    return tmp_path


def said(project: Path, name: str = "optim.py") -> list[tuple[str, str]]:
    return [(f.code, f.message) for f in lint_paths(project / name).findings if f.severity != "note"]


def trained(project: Path, t: str, imports: str = "from optim import Adam", adam: str = "Adam") -> None:
    (project / "train.py").write_text(TRAIN.format(imports=imports, adam=adam, t=t), encoding="utf-8")


@pytest.mark.parametrize(
    ("imports", "adam"),
    [
        ("from optim import Adam", "Adam"),
        ("from optim import (\n    Adam,\n)", "Adam"),
        ("from optim import Adam as Optimizer", "Optimizer"),
        ("from optim import *", "Adam"),
        ("import optim", "optim.Adam"),
        ("import optim as o", "o.Adam"),
    ],
)
def test_a_caller_in_another_file_that_counts_epochs_is_seen(project: Path, imports: str, adam: str) -> None:
    trained(project, "epoch + 1", imports, adam)
    ((code, message),) = said(project)
    assert code == "OPT314" and "train.py" in message


def test_one_that_counts_steps_answers_the_question(project: Path) -> None:
    trained(project, "t")
    assert said(project) == []


def test_without_a_caller_nothing_is_said(project: Path) -> None:
    assert said(project) == []


def test_a_script_is_a_caller_too(project: Path) -> None:
    (project / "main.py").write_text(SCRIPT, encoding="utf-8")
    ((code, message),) = said(project)
    assert code == "OPT314" and "main.py" in message


def test_a_script_of_the_same_file_is_asked_first(project: Path) -> None:
    script = SCRIPT.replace("from optim import Adam\n", "")
    (project / "optim.py").write_text(ADAM + script, encoding="utf-8")
    assert said(project) == [("OPT314", "t counts epochs, but every batch makes an update")]


def test_a_package_is_imported_by_its_folder(project: Path) -> None:
    package = project / "lib" / "optim"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(ADAM, encoding="utf-8")
    (project / "lib" / "train.py").write_text(
        TRAIN.format(imports="from .optim import Adam", adam="Adam", t="epoch + 1"), encoding="utf-8"
    )
    ((code, message),) = said(project, "lib/optim/__init__.py")
    assert code == "OPT314" and "../train.py" in message


def test_another_module_of_that_name_is_none_of_its_callers(project: Path) -> None:
    trained(project, "epoch + 1", "from torch.optim import Adam\nimport torch.optim as optim")
    assert said(project) == []


def test_a_step_size_that_another_file_corrects_is_right(project: Path) -> None:
    (project / "optim.py").write_text(SIZED, encoding="utf-8")
    (project / "train.py").write_text(SIZING.format(rate="lr * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)"), encoding="utf-8")
    assert said(project) == []
    (project / "train.py").write_text(SIZING.format(rate="lr"), encoding="utf-8")
    assert [code for code, _ in said(project)] == ["OPT301"]


def test_names_that_both_files_define_are_not_mixed_up(project: Path) -> None:
    trained(project, "epoch + 1")
    text = (project / "train.py").read_text(encoding="utf-8")
    (project / "train.py").write_text(text + "\n\nclass Adam:\n    pass\n", encoding="utf-8")
    assert importers_of(Modules(str(project / "optim.py")), ADAM) == ()


def test_files_that_are_no_python_and_folders_of_others_are_passed_over(project: Path) -> None:
    (project / "broken.py").write_text("from optim import Adam\ndef (", encoding="utf-8")
    (project / "data.py").write_bytes(b"\xff\xfe\x00import optim")
    (project / ".venv").mkdir()
    (project / ".venv" / "train.py").write_text(SCRIPT, encoding="utf-8")
    assert said(project) == []


def test_the_cache_notices_a_new_caller_and_a_changed_one(project: Path) -> None:
    (project / "pyproject.toml").write_text("[tool.optlint]\n", encoding="utf-8")

    def run() -> str:
        arguments = ["--output-format", "concise", "--cache-dir", str(project / "cache"), str(project / "optim.py")]
        return CliRunner().invoke(main, arguments).output

    assert "OPT314" not in run()
    trained(project, "epoch + 1")
    assert "OPT314" in run()
    assert "OPT314" in run()
    trained(project, "t")
    assert "OPT314" not in run()


def test_hostile_files_cost_no_more_than_their_length(project: Path) -> None:
    trained(project, "epoch + 1")
    (project / "a_line.py").write_text("# " + "import optim, " * 60_000 + "\n", encoding="utf-8")
    (project / "b_names.py").write_text("import optim as o\nx = [" + "o.Adam, " * 60_000 + "]\n", encoding="utf-8")
    (project / "c_chain.py").write_text("import optim as o\nx = o" + ".a" * 900 + "\n", encoding="utf-8")
    assert [code for code, _ in said(project)] == ["OPT314"]


def test_the_project_is_looked_through_once(project: Path) -> None:
    trained(project, "epoch + 1")
    modules = Modules(str(project / "optim.py"))
    assert importers_of(modules, ADAM) is importers_of(modules, ADAM) != ()
