"""Counts of steps that a fix brings in, moves or divides: they live as long as the states, in every spelling."""

from __future__ import annotations

from textwrap import dedent

import pytest

from optlint import lint_source
from optlint.fix.text import edited
from optlint.model import Finding
from optlint.source import Unit


def findings(text: str, code: str) -> list[Finding]:
    return [f for f in lint_source(text, "example.py").findings if f.code == code]


def check(text: str, code: str, *pairs: tuple[str, str]) -> None:
    """The finding's fix is unsafe, comes to these replacements, and leaves nothing to be said."""
    (finding,) = findings(text, code)
    assert finding.fix is not None and finding.fix.applicability == "unsafe"
    wanted = text
    for old, new in pairs:
        assert old in wanted
        wanted = wanted.replace(old, new)
    fixed = edited(Unit(None, text), finding.fix.edits).text
    assert fixed == wanted
    assert not lint_source(fixed, "example.py").findings


BATCHES = """
import numpy as np


def train(batches, w, epochs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    first, second = np.zeros_like(w), np.zeros_like(w)
    for epoch in range(epochs):
        for x, y in batches:
            g = x.T @ (x @ w - y)
            first = b1 * first + (1 - b1) * g
            second = b2 * second + (1 - b2) * g**2
            rate = lr * np.sqrt(1 - b2**COUNT) / (1 - b1**COUNT)
            w = w - rate * first / (np.sqrt(second) + eps)
    return w
"""


def test_updates_are_counted_instead_of_epochs() -> None:
    text = BATCHES.replace("COUNT", "(epoch + 1)")
    check(
        text,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        ("            g =", "            t += 1\n            g ="),
        ("(epoch + 1)", "t"),
    )


def test_a_name_that_is_given_the_epoch_counts_the_updates() -> None:
    text = BATCHES.replace("COUNT", "k").replace("        for x", "        k = 1 + epoch\n        for x")
    check(
        text,
        "OPT314",
        ("        k = 1 + epoch\n", ""),
        ("    for epoch", "    k = 0\n    for epoch"),
        ("            g =", "            k += 1\n            g ="),
    )


def test_a_name_that_is_read_elsewhere_stays_what_it_is() -> None:
    text = BATCHES.replace("COUNT", "t").replace(
        "        for x", "        t = 1 + epoch\n        print(t)\n        for x"
    )
    check(
        text,
        "OPT314",
        ("    for epoch", "    step_number = 0\n    for epoch"),
        ("            g =", "            step_number += 1\n            g ="),
        ("b2**t", "b2**step_number"),
        ("b1**t", "b1**step_number"),
    )


def test_an_update_that_is_left_out_is_not_counted() -> None:
    text = BATCHES.replace("COUNT", "(epoch + 1)").replace(
        "            first = b1",
        "            if not np.isfinite(g).all():\n                continue\n            first = b1",
    )
    check(
        text,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        ("            first = b1", "            t += 1\n            first = b1"),
        ("(epoch + 1)", "t"),
    )


BRANCHES = """
import numpy as np


def train(batches, w, epochs, method="adam", lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for epoch in range(1, epochs + 1):
        for batch in batches:
            g = batch.T @ (batch @ w)
            if method == "sgd":
                w = w - lr * g
            else:
                m = b1 * m + (1 - b1) * g
                v = b2 * v + (1 - b2) * g**2
                w = w - lr * (m / (1 - b1**epoch)) / (np.sqrt(v / (1 - b2**epoch)) + eps)
    return w
"""


def test_a_branch_that_alone_makes_the_update_counts_it() -> None:
    check(
        BRANCHES,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        ("                m = b1", "                t += 1\n                m = b1"),
        ("**epoch", "**t"),
    )


def test_the_loop_over_the_tensors_does_not_count() -> None:
    text = dedent(
        """
        import torch


        def train(params, loader, loss_of, epochs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
            means = [torch.zeros_like(p) for p in params]
            squares = [torch.zeros_like(p) for p in params]
            for e in range(1, epochs + 1):
                for x, y in loader:
                    grads = torch.autograd.grad(loss_of(x, y), params)
                    with torch.no_grad():
                        for p, g, m, s in zip(params, grads, means, squares):
                            m.mul_(b1).add_(g, alpha=1 - b1)
                            s.mul_(b2).addcmul_(g, g, value=1 - b2)
                            p -= lr * (m / (1 - b1**e)) / ((s / (1 - b2**e)).sqrt() + eps)
        """
    )
    check(
        text,
        "OPT314",
        ("    for e in", "    t = 0\n    for e in"),
        ("            grads", "            t += 1\n            grads"),
        ("**e", "**t"),
    )


def test_a_count_begins_inside_of_the_loop_that_makes_the_states() -> None:
    text = dedent(
        """
        import numpy as np

        rows, wanted = np.ones((4, 3)), np.ones(4)
        for fold in range(5):
            w = np.zeros(3)
            m = np.zeros(3)
            v = np.zeros(3)
            for epoch in range(1, 11):
                for i in range(4):
                    g = rows[i] * (rows[i] @ w - wanted[i])
                    m = 0.9 * m + 0.1 * g
                    v = 0.999 * v + 0.001 * g**2
                    w -= 0.001 * (m / (1 - pow(0.9, epoch))) / (np.sqrt(v / (1 - np.power(0.999, epoch))) + 1e-8)
        """
    )
    check(
        text,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        ("            g =", "            t += 1\n            g ="),
        ("pow(0.9, epoch)", "pow(0.9, t)"),
        ("np.power(0.999, epoch)", "np.power(0.999, t)"),
    )


MODEL = """
import numpy as np


class Model:
    def __init__(self, n):
        self.w = np.zeros(n)
        BEGIN

    def fit(self, batches, epochs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
        for epoch in range(epochs):
            for x, y in batches:
                g = x.T @ (x @ self.w - y)
                self.m = b1 * self.m + (1 - b1) * g
                self.v = b2 * self.v + (1 - b2) * g**2
                m_hat, v_hat = self.m / (1 - b1 ** (epoch + 1)), self.v / (1 - b2 ** (epoch + 1))
                self.w = self.w - lr * m_hat / (np.sqrt(v_hat) + eps)
"""
ZEROS = "self.m, self.v = np.zeros(3), np.zeros(3)"


@pytest.mark.parametrize("begin", [ZEROS, f"self.reset()\n\n    def reset(self):\n        {ZEROS}"])
def test_a_count_is_kept_where_the_states_are(begin: str) -> None:
    text = MODEL.replace("BEGIN", begin)
    check(
        text,
        "OPT314",
        (ZEROS, f"{ZEROS}\n        self.t = 0"),
        ("                g =", "                self.t += 1\n                g ="),
        ("(epoch + 1)", "self.t"),
    )


def test_a_count_that_would_not_be_saved_with_the_states_is_not_offered() -> None:
    loads = f'{ZEROS}\n\n    def load(self, saved):\n        self.m, self.v = saved["m"], saved["v"]'
    (finding,) = findings(MODEL.replace("BEGIN", loads), "OPT314")
    assert finding.fix is None


ANEW = """
import numpy as np


def train(batches, w, epochs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for _ in range(epochs):
        BEGIN
            g = batch.T @ (batch @ w)
            m = b1 * m + (1 - b1) * g
            v = b2 * v + (1 - b2) * g**2
            w = w - lr * (m / (1 - b1 ** COUNT)) / (np.sqrt(v / (1 - b2 ** COUNT)) + eps)
    return w
"""


def test_a_counter_begins_once() -> None:
    text = ANEW.replace("COUNT", "n").replace("BEGIN", "n = 0\n        for batch in batches:\n            n += 1")
    check(text, "OPT312", ("        n = 0\n", ""), ("    for _", "    n = 0\n    for _"))


def test_a_number_of_a_batch_counts_on() -> None:
    text = ANEW.replace("COUNT", "(i + 1)").replace("BEGIN", "for i, batch in enumerate(batches):")
    check(
        text,
        "OPT312",
        ("for i, batch in enumerate(batches):", "for batch in batches:\n            i += 1"),
        ("    for _", "    i = 0\n    for _"),
        ("(i + 1)", "i"),
    )


def test_a_number_of_a_batch_that_is_read_elsewhere_stays() -> None:
    begin = "for i, batch in enumerate(batches, 1):\n            if i == 10:\n                print(w)"
    text = ANEW.replace("COUNT", "i").replace("BEGIN", begin)
    check(
        text,
        "OPT312",
        ("            if i", "            t += 1\n            if i"),
        ("    for _", "    t = 0\n    for _"),
        ("** i", "** t"),
    )


def test_a_missing_exponent_counts_the_updates_of_all_epochs() -> None:
    text = (
        ANEW.replace("1 - b1 ** COUNT", "1 - b1").replace(" ** COUNT", "**2").replace("BEGIN", "for batch in batches:")
    )
    text = text.replace("v / (1 - b2**2)", "v / (1 - b2)")
    found = findings(text, "OPT305")
    edits = [e for f in found if f.fix is not None for e in f.fix.edits]
    fixed = edited(Unit(None, text), edits).text
    assert "    t = 0\n    for _" in fixed and "batches:\n            t += 1\n" in fixed
    assert "b1**t" in fixed and "b2**t" in fixed


def test_the_calls_of_a_method_are_not_counted_where_it_steps_in_a_loop() -> None:
    text = MODEL.replace("BEGIN", ZEROS).replace(" ** (epoch + 1)", "")
    edits = [e for f in findings(text, "OPT305") if f.fix is not None for e in f.fix.edits]
    fixed = edited(Unit(None, text), edits).text
    assert f"{ZEROS}\n        self.t = 0\n" in fixed
    assert "in batches:\n                self.t += 1\n" in fixed


GATHERED = """
import numpy as np


def train(w, rows, slope, size, epochs, lr=0.001, beta1=0.9, beta2=0.999, eps=1e-8):
    m, v = np.zeros_like(w), np.zeros_like(w)
    for epoch in range(epochs):
        total = np.zeros_like(w)
        for i in range(len(rows)):
            total = total + slope(w, rows[i])
            if (i + 1) % size == 0:
                m = beta1 * m + (1 - beta1) * total
                v = beta2 * v + (1 - beta2) * total**2
                m_hat, v_hat = m / (1 - beta1 ** (epoch + 1)), v / (1 - beta2 ** (epoch + 1))
                w = w - lr * m_hat / (np.sqrt(v_hat) + eps)
    return w
"""


def test_a_sum_of_gradients_neither_begins_the_count_nor_advances_it() -> None:
    check(
        GATHERED,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        ("                m = beta1", "                t += 1\n                m = beta1"),
        ("(epoch + 1)", "t"),
    )


def test_a_count_begins_with_averages_that_each_epoch_begins() -> None:
    made = "    first, second = np.zeros_like(w), np.zeros_like(w)\n"
    text = BATCHES.replace("COUNT", "(epoch + 1)").replace(made, "")
    text = text.replace("        for x", f"    {made}        for x")
    for finding in findings(text, "OPT314"):
        assert finding.fix is not None
        assert f"    {made}        t = 0\n" in edited(Unit(None, text), finding.fix.edits).text


def test_averages_in_the_entries_of_a_dictionary_have_their_count_beside_it() -> None:
    text = dedent(
        """
        import numpy as np


        def train(params, batches, slopes, epochs, lr=1e-3, b1=0.9, b2=0.999, eps=1e-8):
            state = {k: {"m": np.zeros_like(p), "v": np.zeros_like(p)} for k, p in params.items()}
            for epoch in range(1, epochs + 1):
                for x, y in batches:
                    grads = slopes(x, y)
                    for k, p in params.items():
                        s = state[k]
                        s["m"] = b1 * s["m"] + (1 - b1) * grads[k]
                        s["v"] = b2 * s["v"] + (1 - b2) * grads[k] ** 2
                        p -= lr * (s["m"] / (1 - b1**epoch)) / (np.sqrt(s["v"] / (1 - b2**epoch)) + eps)
        """
    )
    check(
        text,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        ("            grads =", "            t += 1\n            grads ="),
        ("**epoch", "**t"),
    )


@pytest.mark.parametrize("place", ["        ", "            "])
def test_a_learning_rate_goes_on_following_the_epochs(place: str) -> None:
    text = (
        BATCHES.replace("COUNT", "epoch")
        .replace("range(epochs)", "range(1, epochs + 1)")
        .replace("lr * np", "fall * np")
    )
    line = f"{place}fall = lr * 0.95**epoch\n"
    after = "for x, y in batches:\n" if len(place) > 8 else "epochs + 1):\n"
    text = text.replace(after, f"{after}{line}")
    first = line if len(place) > 8 else "            g ="
    check(
        text,
        "OPT314",
        ("    for epoch", "    t = 0\n    for epoch"),
        (first, f"            t += 1\n{first}"),
        ("b2**epoch", "b2**t"),
        ("b1**epoch", "b1**t"),
    )
