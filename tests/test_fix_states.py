"""State that starts over at each call: the fixed program runs, whatever its object held, and keeps the state."""

from __future__ import annotations

import numpy as np
import pytest

from optlint import lint_source
from optlint.analysis import analyze
from optlint.fix.text import edited
from optlint.fix.verify import Verifier
from optlint.settings import Settings
from optlint.source import Unit, source_from_text

MOMENTUM = """
import numpy as np


class Momentum:
    def __init__(self, params, lr=0.01, momentum=0.9):
        self.lr, self.momentum = lr, momentum
        FIRST

    def update(self, params, grads):
        self.v = {key: np.zeros_like(p) for key, p in params.items()}
        for key in params:
            self.v[key] = self.momentum * self.v[key] - self.lr * grads[key]
            params[key] += self.v[key]
"""
FIRST = {
    "nothing": "pass",
    "None": "self.v = None",
    "None among others": "self.steps, self.v = 0, None",
    "an empty dict": "self.v = {}",
    "zeros": "self.v = {key: np.zeros_like(p) for key, p in params.items()}",
}


@pytest.mark.parametrize("first", FIRST.values(), ids=FIRST.keys())
def test_state_that_starts_over_is_begun_once(first: str) -> None:
    text = MOMENTUM.replace("FIRST", first)
    report = analyze(source_from_text("example.py", text), Settings())
    assert [f.code for f in report.findings] == ["OPT601"]
    edits = [e for f in report.findings if f.fix is not None for e in f.fix.edits]
    assert edits
    params = {"w": np.array([1.0, -2.0])}
    names: dict[str, type] = {}
    exec(edited(Unit(None, text), edits).text, names)  # our own text
    optimizer = names["Momentum"](params)
    v = np.zeros(2)
    expected = params["w"].copy()
    for step in range(5):
        g = np.array([0.5, -1.0]) * (step + 1)
        v = 0.9 * v - 0.01 * g
        expected += v
        optimizer.update(params, {"w": g})
    np.testing.assert_allclose(params["w"], expected)


def test_of_twins_without_a_fix_two_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A script with an update for each layer costs no more tries than one with two of them."""
    head = "import numpy as np\n\ndef adam(grads, params, lr=0.01, beta1=0.9, beta2=0.99):\n"

    def tries(layers: int) -> int:
        lines = [f"    w{i}, d{i} = params[{i}], grads[{i}]\n" for i in range(layers)]
        lines += [f"    v{i} = np.zeros(w{i}.shape)\n    s{i} = np.zeros(w{i}.shape)\n" for i in range(layers)]
        lines += [
            f"    v{i} = beta1*v{i} + (1-beta1)*d{i}\n"
            f"    s{i} = beta2*s{i} + (1-beta2)*d{i}**2\n"
            f"    w{i} -= lr * v{i}/np.sqrt(s{i}+1e-7)\n"
            for i in range(layers)
        ]
        made = []
        verify = Verifier.verify
        monkeypatch.setattr(Verifier, "verify", lambda *given: made.append(given) or verify(*given))
        report = lint_source(head + "".join(lines))
        monkeypatch.undo()
        assert {f.code for f in report.findings} >= {"OPT601"}
        return len(made)

    assert 0 < tries(2) == tries(4)


STUCK = """
import torch


class Adam(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            beta1, beta2 = group["betas"]
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 1
                    state["m"], state["v"] = torch.zeros_like(p), torch.zeros_like(p)
                state["m"].mul_(beta1).add_(p.grad, alpha=1 - beta1)
                state["v"].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                m_hat = state["m"] / (1 - beta1 ** state["step"])
                v_hat = state["v"] / (1 - beta2 ** state["step"])
                p.sub_(group["lr"] * m_hat / (v_hat.sqrt() + group["eps"]))
        return loss
"""


def test_a_count_that_each_parameter_has_is_advanced_for_each() -> None:
    (finding,) = lint_source(STUCK, "example.py").findings
    assert finding.code == "OPT312" and finding.fix is not None
    fixed = edited(Unit(None, STUCK), finding.fix.edits).text
    after = '                p.sub_(group["lr"] * m_hat / (v_hat.sqrt() + group["eps"]))\n'
    assert fixed == STUCK.replace(after, f'{after}                state["step"] += 1\n')


COPIED = """
import torch


def view(*tensors):
    return tuple(torch.view_as_real(t) if torch.is_complex(t) else t for t in tensors)


class SGD(torch.optim.Optimizer):
    def __init__(self, params, lr=0.1, momentum=0.9, project=False):
        super().__init__(params, dict(lr=lr, momentum=momentum, project=project))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for p in group["params"]:
                state = self.state[p]
                if len(state) == 0:
                    state["buf"] = torch.zeros_like(p)
                buf = state["buf"]
                p, grad, buf = view(p, p.grad, buf)
                buf = buf.mul(group["momentum"]).add(grad)
                step = buf.mul(group["momentum"]).add_(grad) if group["project"] else buf.clone()
                if group["project"]:
                    step = step.tanh()
                p.add_(step, alpha=-group["lr"])
"""


def test_the_average_is_changed_where_it_is_kept_and_no_copy_of_it() -> None:
    """One path steps by a copy, another by something else that has the same name; a view of the average is stored by
    neither."""
    found = [f for f in lint_source(COPIED, "example.py").findings if f.code == "OPT602"]
    assert found and found[0].fix is not None
    fixed = edited(Unit(None, COPIED), found[0].fix.edits).text
    assert fixed == COPIED.replace(
        'buf = buf.mul(group["momentum"]).add(grad)', 'buf.mul_(group["momentum"]).add_(grad)'
    )
