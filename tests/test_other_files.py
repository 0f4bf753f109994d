"""What another file of the project defines is read where it stands: helpers, base classes, numbers."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from optlint import lint_paths
from optlint.cli import main
from optlint.model import Report
from optlint.modules import Modules

HELPERS = """
import math

EPS = 1e-8


def debias(beta, step):
    return 1.0 - beta**step


def root(x, eps):
    return x.sqrt().add_(eps)


def is_sparse(p):
    return p.layout == 1


def shapes(params):
    return [p.shape for p in params]


def broken(x):
    raise NotImplementedError
"""

BASE = """
from abc import ABC, abstractmethod

from torch.optim.optimizer import Optimizer

from .helpers import debias


class BaseOptimizer(ABC, Optimizer):
    def __init__(self, params, defaults):
        super().__init__(params, defaults)

    @staticmethod
    def debias(beta, step):
        return debias(beta, step)

    @staticmethod
    def apply_weight_decay(p, grad, lr, weight_decay, decoupled):
        if decoupled:
            p.mul_(1.0 - lr * weight_decay)
        elif grad is not None:
            grad.add_(p, alpha=weight_decay)

    @abstractmethod
    def step(self, closure=None):
        raise NotImplementedError
"""

ADAM = """
import torch

from {base} import BaseOptimizer
from {helpers} import root, shapes, is_sparse


class Adam(BaseOptimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            group["step"] = group.get("step", 0) + 1
            beta1, beta2 = group["betas"]
            sizes = shapes(group["params"])
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"], state["exp_avg_sq"] = torch.zeros_like(p), torch.zeros_like(p)
                if is_sparse(p):
                    continue
                exp_avg, exp_avg_sq = state["exp_avg"], state["exp_avg_sq"]
                exp_avg.mul_(beta1).add_(p.grad, alpha=1 - beta1)
                exp_avg_sq.mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                m_hat = exp_avg / self.debias(beta1, {first})
                v_hat = exp_avg_sq / self.debias(beta2, group["step"])
                p.addcdiv_(m_hat, root(v_hat, group["eps"]), value=-group["lr"])
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A package with a base class in one file and helpers in another."""
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    package = tmp_path / "optim"
    (package / "adam").mkdir(parents=True)
    (package / "__init__.py").write_text("from .base import BaseOptimizer\n", encoding="utf-8")
    (package / "base.py").write_text(BASE, encoding="utf-8")
    (package / "helpers.py").write_text(HELPERS, encoding="utf-8")
    return tmp_path


def adam(project: Path, base: str = "..base", helpers: str = "..helpers", first: str = 'group["step"]') -> Report:
    path = project / "optim" / "adam" / "adam.py"
    path.write_text(ADAM.format(base=base, helpers=helpers, first=first), encoding="utf-8")
    return lint_paths(path)


@pytest.mark.parametrize(
    ("base", "helpers"),
    [("..base", "..helpers"), ("optim.base", "optim.helpers"), ("optim", "optim.helpers"), ("..", "..helpers")],
)
def test_a_base_class_and_helpers_of_other_files_are_read(project: Path, base: str, helpers: str) -> None:
    report = adam(project, base, helpers)
    assert [(u.family, u.status) for u in report.updates] == [("adam", "matched")]
    assert report.findings == ()


def test_a_mistake_in_what_they_are_given_is_found_where_it_is_written(project: Path) -> None:
    report = adam(project, first="1")
    (finding,) = report.findings
    assert finding.code == "OPT305"
    text = (project / "optim" / "adam" / "adam.py").read_text(encoding="utf-8").split("\n")
    assert "self.debias(beta1, 1)" in text[finding.span.line - 1]


def test_a_mistake_of_theirs_shows_at_the_call(project: Path) -> None:
    helpers = project / "optim" / "helpers.py"
    helpers.write_text(HELPERS.replace("1.0 - beta**step", "1.0 - beta*step"), encoding="utf-8")
    report = adam(project)
    assert [f.code for f in report.findings] == ["OPT306"]
    assert all(f.fix is None for f in report.findings)


def test_without_the_files_nothing_is_known_of_it(tmp_path: Path) -> None:
    (tmp_path / "optim" / "adam").mkdir(parents=True)
    report = adam(tmp_path, first="1")
    assert report.findings == ()
    assert "Adam (Algorithm 1)" not in [u.convention for u in report.updates]


def test_what_an_object_of_another_file_does_is_that_file_s_matter(project: Path) -> None:
    adam(project, first="1")
    (project / "train.py").write_text(
        "from optim.adam.adam import Adam\n\n\n"
        "def train(params):\n    optimizer = Adam(params, lr=0.1, betas=(0.9, 0.999))\n    optimizer.step()\n",
        encoding="utf-8",
    )
    report = lint_paths(project / "train.py")
    assert report.findings == () and [u.status for u in report.updates if u.status != "unsupported"] == []


def test_numbers_of_other_files_are_known(tmp_path: Path) -> None:
    (tmp_path / "settings.py").write_text("RHO = 0.9\nEPS = 1e-8\n", encoding="utf-8")
    (tmp_path / "rmsprop.py").write_text(
        "import numpy as np\nimport settings\nfrom settings import EPS\n\n\n"
        "def rmsprop(w, dw, s, lr=0.01):\n"
        "    s = settings.RHO * s + (1 - settings.RHO) * dw**2\n"
        "    w -= lr * dw / (np.sqrt(s) + EPS)\n"
        "    return w, s\n",
        encoding="utf-8",
    )
    (update,) = lint_paths(tmp_path / "rmsprop.py").updates
    assert update.status == "matched" and "0.9" in update.equations[0]


FRAMEWORK = """
class Tensor:
    def __init__(self, array, dtype="float32", requires_grad=True):
        self.cached = Array(array, dtype)
        self.requires_grad = requires_grad

    def __add__(self, other):
        return Add()(self, other)

    def __mul__(self, other):
        return Mul()(self, other)


def zeros(*shape, dtype="float32"):
    return constant(*shape, c=0.0, dtype=dtype)


def power(a, b):
    return Power(b)(a)
"""


def test_arrays_of_a_framework_of_the_project_compute_what_its_functions_say(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("", encoding="utf-8")
    (tmp_path / "lilgrad.py").write_text(FRAMEWORK, encoding="utf-8")
    fixture = Path(__file__).parent.parent / "fixtures" / "correct_own_frameworks.py"
    text = fixture.read_text(encoding="utf-8").replace("lilgrad.init", "lilgrad").replace(".autodiff", "lilgrad")
    (tmp_path / "optim.py").write_text(text, encoding="utf-8")
    assert {u.status for u in lint_paths(tmp_path / "optim.py").updates} == {"matched"}


def test_imports_that_go_round_in_circles_end(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("from b import f\n", encoding="utf-8")
    (tmp_path / "b.py").write_text("from a import f\n", encoding="utf-8")
    (tmp_path / "sgd.py").write_text(
        "from a import f\n\n\n"
        "def momentum(w, g, v, lr=0.1, mu=0.9):\n    v = mu * v + f(g)\n    return w - lr * v, v\n",
        encoding="utf-8",
    )
    assert len(lint_paths(tmp_path / "sgd.py").updates) == 1


# which file a name means


def test_nothing_outside_of_the_project_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("X = 1\n", encoding="utf-8")
    inside = tmp_path / "project" / "package"
    inside.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("", encoding="utf-8")
    modules = Modules(str(inside / "module.py"))
    assert modules.find("secret", 0, modules.path) is None
    assert modules.find("secret", 3, modules.path) is None
    assert modules.find("../../secret", 0, modules.path) is None
    assert all(str(tmp_path / "project") in path for path in modules.seen)


def test_no_link_leads_out_of_the_project(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("X = 1\n", encoding="utf-8")
    inside = tmp_path / "project"
    inside.mkdir()
    (inside / "pyproject.toml").write_text("", encoding="utf-8")
    (inside / "linked.py").symlink_to(tmp_path / "secret.py")
    (inside / "folder").symlink_to(tmp_path)
    modules = Modules(str(inside / "module.py"))
    assert modules.find("linked", 0, modules.path) is None
    assert modules.find("folder.secret", 0, modules.path) is None


def test_a_module_of_the_standard_library_is_not_looked_for(tmp_path: Path) -> None:
    (tmp_path / "math.py").write_text("X = 1\n", encoding="utf-8")
    modules = Modules(str(tmp_path / "module.py"))
    assert modules.find("math", 0, modules.path) is None
    assert modules.seen == {}


def test_what_is_no_text_is_no_module(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"\xff\xfe\x00bad")
    (tmp_path / "b.py").mkdir()
    modules = Modules(str(tmp_path / "module.py"))
    assert modules.find("a", 0, modules.path) is None
    assert modules.find("b", 0, modules.path) is None


def test_without_a_sign_of_a_project_only_the_package_is_seen(tmp_path: Path) -> None:
    (tmp_path / "secret.py").write_text("X = 1\n", encoding="utf-8")
    (tmp_path / "home" / "package").mkdir(parents=True)
    (tmp_path / "home" / "package" / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "home" / "helpers.py").write_text("X = 1\n", encoding="utf-8")
    modules = Modules(str(tmp_path / "home" / "package" / "module.py"))
    assert modules.find("helpers", 0, modules.path) == str(tmp_path / "home" / "helpers.py")
    assert modules.find("secret", 0, modules.path) is None


# the cache


def run(*arguments: str) -> Result:
    return CliRunner().invoke(main, [*arguments, "--output-format", "concise"])


def test_the_cache_notices_that_another_file_has_changed(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project)
    monkeypatch.delenv("OPTLINT_NO_CACHE", raising=False)
    adam(project)
    assert run("optim/adam").exit_code == 0
    helpers = project / "optim" / "helpers.py"
    helpers.write_text(HELPERS.replace("1.0 - beta**step", "1.0 - beta*step"), encoding="utf-8")
    changed = run("optim/adam")
    assert changed.exit_code == 1 and "OPT306" in changed.output
    helpers.write_text(HELPERS, encoding="utf-8")
    assert run("optim/adam").exit_code == 0
